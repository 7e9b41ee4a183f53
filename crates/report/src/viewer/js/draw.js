// @ts-check
// A plane on its canvas: scan, overlay, mask, outline, region, crosshair, letters.

const MASK_COLOUR = "#ffffff";
const OUTLINE_COLOUR = "rgb(64, 224, 208)";
const REGION_COLOUR = "rgb(255, 200, 60)";
const CROSSHAIR_COLOUR = "rgba(120, 190, 255, 0.75)";

/** Draws one plane. */
class PlaneCanvas {
  /**
   * @param {State} state
   * @param {Plane} plane
   * @param {HTMLElement} figure
   */
  constructor(state, plane, figure) {
    this.state = state;
    this.data = state.data;
    this.plane = plane;
    this.figure = figure;
    this.canvas = /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas"));
    this.layer = document.createElement("canvas");
    /** The plane without crosshair and letters, which is drawn again only if something in it changes. */
    this.picture = document.createElement("canvas");
    this.drawn = "";
    this.shape = this.data.grid.shape;
    new ResizeObserver(() => {
      const ratio = window.devicePixelRatio || 1;
      const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
      const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
      if (width === this.canvas.width && height === this.canvas.height) return;
      this.canvas.width = width;
      this.canvas.height = height;
      this.draw(this.state.view);
    }).observe(this.canvas);
  }

  /** Canvas pixels of a voxel, across and down. */
  scale() {
    return [this.canvas.width / this.shape[this.plane.across], this.canvas.height / this.shape[this.plane.down]];
  }

  /**
   * The voxel at a position of the page.
   * @param {number} clientX
   * @param {number} clientY
   * @returns {Zyx}
   */
  voxelAt(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((clientX - box.left) / box.width) * this.shape[this.plane.across]);
    const row = Math.floor(((clientY - box.top) / box.height) * this.shape[this.plane.down]);
    const at = /** @type {Zyx} */ ([...this.state.view.at]);
    at[this.plane.across] = column;
    at[this.plane.down] = screenRow(this.plane, this.shape, row);
    return clampTo(this.shape, at);
  }

  /** @param {View} view */
  draw(view) {
    const { canvas, picture } = this;
    const shown = this.shown(view);
    if (shown !== this.drawn) {
      picture.width = canvas.width;
      picture.height = canvas.height;
      this.drawPicture(context2d(picture), view);
      this.drawn = shown;
    }
    const context = context2d(canvas);
    context.drawImage(picture, 0, 0);
    if (view.showCrosshair) this.crosshair(context, view.at);
    if (this.data.grid.oriented) this.letters(context);
  }

  /**
   * Everything that the picture depends on.
   * @param {View} view
   */
  shown(view) {
    const { image, overlay } = view;
    return JSON.stringify([
      [this.canvas.width, this.canvas.height, this.data.decoded.size, view.at[this.plane.through]],
      [image, view.windows[image], view.showOutline, this.highlighted(view)],
      [overlay, view.palettes[overlay], view.opacity, view.showOverlay, view.showMask, view.thresholds[overlay]],
    ]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   */
  drawPicture(context, view) {
    const { data } = this;
    const { payload } = data;
    const slice = new Slice(data.grid, this.plane, view.at);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const image = payload.images[view.image];
    const scan = data.voxels(image?.volume);
    if (image && scan) {
      this.paint(context, slice, scan, greyTable(image, view.windows[view.image]), true);
    }
    const overlay = payload.overlays[view.overlay];
    const levels = data.voxels(data.overlayRef(view.overlay));
    if (overlay && levels) {
      const values = data.overlayValues[view.overlay];
      const colours = data.colours.get(view.palettes[view.overlay]);
      if (view.showOverlay && colours) {
        this.paint(context, slice, levels, overlayTable(overlay, values, colours, view.opacity), false);
      }
      if (view.showMask) {
        const mask = maskTable(overlay, values, view.thresholds[view.overlay]);
        this.contour(context, slice, (offset) => mask[levels[offset]] === 1, MASK_COLOUR);
      }
    }
    const outline = data.voxels(payload.outline?.volume);
    if (outline && view.showOutline) {
      this.contour(context, slice, (offset) => outline[offset] === 1, OUTLINE_COLOUR);
    }
    const region = this.highlighted(view);
    const regions = data.voxels(payload.regions?.volume);
    if (regions && region >= 0) this.contour(context, slice, (offset) => regions[offset] === region, REGION_COLOUR);
  }

  /**
   * Index of the region that is outlined: that under the pointer, else the selected one; or -1.
   * @param {View} view
   */
  highlighted(view) {
    return view.pointed ? this.data.regionAt(view.pointed) : view.selected;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Slice} slice
   * @param {Voxels} voxels
   * @param {Uint32Array} table
   * @param {boolean} smooth
   */
  paint(context, slice, voxels, table, smooth) {
    slice.paint(this.layer, voxels, table);
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.layer, 0, 0, this.canvas.width, this.canvas.height);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Slice} slice
   * @param {(offset: number) => boolean} inside
   * @param {string} colour
   */
  contour(context, slice, inside, colour) {
    const [across, down] = this.scale();
    const pixel = window.devicePixelRatio || 1;
    traceContour(
      context,
      slice.width,
      slice.height,
      (index) => inside(slice.offset(index)),
      (column) => column * across,
      (row) => row * down,
    );
    strokeContour(context, colour, 1.25 * pixel);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Zyx} at
   */
  crosshair(context, at) {
    const [across, down] = this.scale();
    const pixel = window.devicePixelRatio || 1;
    const x = (at[this.plane.across] + 0.5) * across;
    const y = (screenRow(this.plane, this.shape, at[this.plane.down]) + 0.5) * down;
    const gap = 9 * pixel;
    context.strokeStyle = CROSSHAIR_COLOUR;
    context.lineWidth = pixel;
    context.beginPath();
    for (const [fromX, fromY, toX, toY] of [
      [0, y, x - gap, y],
      [x + gap, y, this.canvas.width, y],
      [x, 0, x, y - gap],
      [x, y + gap, x, this.canvas.height],
    ]) {
      context.moveTo(fromX, fromY);
      context.lineTo(toX, toY);
    }
    context.stroke();
  }

  /** @param {CanvasRenderingContext2D} context */
  letters(context) {
    const pixel = window.devicePixelRatio || 1;
    const { width, height } = this.canvas;
    const size = Math.max(11, Math.min(15, width / pixel / 20)) * pixel;
    const edge = 4 * pixel + size / 2;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3 * pixel;
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.fillStyle = "#e8e8ee";
    const [left, right, top, bottom] = this.plane.letters;
    for (const [letter, x, y] of /** @type {[string, number, number][]} */ ([
      [left, edge, height / 2],
      [right, width - edge, height / 2],
      [top, width / 2, edge],
      [bottom, width / 2, height - edge],
    ])) {
      context.strokeText(letter, x, y);
      context.fillText(letter, x, y);
    }
  }
}
