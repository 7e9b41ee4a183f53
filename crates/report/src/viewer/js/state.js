// @ts-check
// What is shown. Every change draws the page again, at most once a frame.

/**
 * @typedef {object} View
 * @property {Zyx} at the crosshair
 * @property {number} image
 * @property {number} overlay
 * @property {[number, number][]} windows by image
 * @property {string[]} palettes by overlay
 * @property {number} opacity
 * @property {number[]} thresholds by overlay
 * @property {boolean} showOverlay
 * @property {boolean} showMask
 * @property {boolean} showOutline
 * @property {boolean} showCrosshair
 * @property {string} active plane that keys act on
 * @property {Zyx | null} pointed voxel under the pointer
 * @property {number} selected index of a region, or -1
 */

/**
 * @param {CaseData} data
 * @returns {View}
 */
function initialView({ payload, grid }) {
  return {
    at: firstVoxel(payload, grid),
    image: 0,
    overlay: 0,
    windows: payload.images.map((image) => image.window),
    palettes: payload.overlays.map((overlay) => (overlay.range[0] < 0 ? "blue-red" : "heat")),
    opacity: 0.6,
    thresholds: payload.overlays.map((overlay) => overlay.threshold),
    showOverlay: true,
    showMask: true,
    showOutline: true,
    showCrosshair: true,
    active: PLANES[0].name,
    pointed: null,
    selected: -1,
  };
}

/**
 * The first region's centre, or the middle.
 * @param {Payload} payload
 * @param {Grid} grid
 * @returns {Zyx}
 */
function firstVoxel(payload, grid) {
  const rows = (payload.regions?.rows ?? []).filter((row) => row.rank !== null && row.centre);
  const best = rows.reduce((/** @type {RegionRow | null} */ best, row) => {
    return best && (best.rank ?? 0) <= (row.rank ?? 0) ? best : row;
  }, null);
  return best?.centre ?? clampTo(grid.shape, [grid.shape[0] / 2, grid.shape[1] / 2, grid.shape[2] / 2]);
}

class State {
  /** @param {CaseData} data */
  constructor(data) {
    this.data = data;
    this.view = initialView(data);
    /** @type {((view: View) => void)[]} */
    this.listeners = [];
    this.waiting = false;
  }

  /** @param {Partial<View>} change */
  set(change) {
    Object.assign(this.view, change);
    this.refresh();
  }

  /** Calls every listener before the next frame. */
  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      for (const listener of this.listeners) listener(this.view);
    });
  }

  /**
   * Moves the crosshair.
   * @param {Zyx} at
   */
  moveTo(at) {
    this.set({ at: clampTo(this.data.grid.shape, at) });
  }

  /**
   * Moves the crosshair along an axis.
   * @param {number} axis
   * @param {number} voxels
   */
  moveBy(axis, voxels) {
    const at = /** @type {Zyx} */ ([...this.view.at]);
    at[axis] += voxels;
    this.moveTo(at);
  }

  /** @param {number} index */
  async showImage(index) {
    const image = this.data.payload.images[index];
    if (!image) return;
    this.set({ image: index });
    await this.data.load(image.volume);
    this.refresh();
  }

  /** @param {number} index */
  async showOverlay(index) {
    if (!this.data.payload.overlays[index]) return;
    this.set({ overlay: index, showOverlay: true });
    const ref = this.data.overlayRef(index);
    if (ref) await this.data.load(ref);
    this.refresh();
  }

  /** @param {[number, number]} window */
  setWindow([black, white]) {
    const image = this.data.payload.images[this.view.image];
    if (!image) return;
    const windows = [...this.view.windows];
    windows[this.view.image] = [black, Math.max(white, black + image.step)];
    this.set({ windows });
  }

  /** @param {number} threshold */
  setThreshold(threshold) {
    const thresholds = [...this.view.thresholds];
    thresholds[this.view.overlay] = threshold;
    this.set({ thresholds, showMask: true });
  }

  /** @param {number} index of a region */
  select(index) {
    const centre = this.data.payload.regions?.rows[index]?.centre;
    this.set({ selected: index, pointed: null });
    if (centre) this.moveTo(centre);
  }
}
