// @ts-check
// The page's data: what is decoded, and the values of a voxel.

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element;
}

/** The volumes of the page; each is decoded when it is first asked for. */
class CaseData {
  /** @param {Payload} payload */
  constructor(payload) {
    this.payload = payload;
    this.grid = payload.grid;
    /** @type {Map<string, Promise<Voxels>>} */
    this.decoding = new Map();
    /** @type {Map<string, Voxels>} */
    this.decoded = new Map();
    /** Values of an overlay's levels or regions. */
    this.overlayValues = payload.overlays.map((overlay) =>
      overlay.values
        ? Float32Array.from(overlay.values)
        : Float32Array.from({ length: 256 }, (_, level) => overlay.low + level * overlay.step),
    );
    this.colours = new Map(payload.palettes.map((palette) => [palette.name, bytesOf(palette.colours)]));
  }

  /**
   * @param {VolumeRef} ref
   * @returns {Promise<Voxels>}
   */
  load(ref) {
    let volume = this.decoding.get(ref.id);
    if (!volume) {
      volume = readVolume(ref, this.grid.shape).then((voxels) => {
        this.decoded.set(ref.id, voxels);
        return voxels;
      });
      this.decoding.set(ref.id, volume);
    }
    return volume;
  }

  /**
   * The volume of an overlay: its levels, or the regions.
   * @param {number} index
   * @returns {VolumeRef | null}
   */
  overlayRef(index) {
    const overlay = this.payload.overlays[index];
    return overlay?.volume ?? this.payload.regions?.volume ?? null;
  }

  /**
   * A decoded volume, if it has been decoded.
   * @param {VolumeRef | null | undefined} ref
   */
  voxels(ref) {
    return ref ? this.decoded.get(ref.id) : undefined;
  }

  /**
   * @param {number} index
   * @param {Zyx} at
   * @returns {number | undefined}
   */
  imageValue(index, at) {
    const image = this.payload.images[index];
    const level = this.voxels(image.volume)?.[offsetOf(this.grid.shape, at)];
    return level === undefined ? undefined : image.low + level * image.step;
  }

  /**
   * @param {number} index
   * @param {Zyx} at
   * @returns {number | undefined}
   */
  overlayValue(index, at) {
    const level = this.voxels(this.overlayRef(index))?.[offsetOf(this.grid.shape, at)];
    return level === undefined ? undefined : this.overlayValues[index][level];
  }

  /**
   * Index of the region at a voxel, or -1.
   * @param {Zyx} at
   */
  regionAt(at) {
    const { regions } = this.payload;
    const index = this.voxels(regions?.volume)?.[offsetOf(this.grid.shape, at)];
    if (index === undefined || !regions || regions.rows[index].rank === null) return -1;
    return index;
  }
}
