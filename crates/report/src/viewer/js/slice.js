// @ts-check
// Slices of volumes.

/** A plane's slice through the crosshair: sizes, and the offset of each pixel into a volume's array. */
class Slice {
  /**
   * @param {Grid} grid
   * @param {Plane} plane
   * @param {Zyx} at
   */
  constructor({ shape }, plane, at) {
    this.width = shape[plane.across];
    this.height = shape[plane.down];
    const strides = [shape[1] * shape[2], shape[2], 1];
    this.step = strides[plane.across];
    this.rowStep = plane.flipped ? -strides[plane.down] : strides[plane.down];
    const firstRow = plane.flipped ? (shape[plane.down] - 1) * strides[plane.down] : 0;
    this.first = at[plane.through] * strides[plane.through] + firstRow;
  }

  /** @param {number} pixel rows first */
  offset(pixel) {
    const column = pixel % this.width;
    const row = (pixel - column) / this.width;
    return this.first + row * this.rowStep + column * this.step;
  }

  /**
   * The slice in the colours of a table, on a canvas of one pixel a voxel.
   * @param {HTMLCanvasElement} canvas
   * @param {Voxels} voxels
   * @param {Uint32Array} table
   */
  paint(canvas, voxels, table) {
    canvas.width = this.width;
    canvas.height = this.height;
    const context = context2d(canvas);
    const image = context.createImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    let pixel = 0;
    for (let row = 0; row < this.height; row++) {
      let offset = this.first + row * this.rowStep;
      for (let column = 0; column < this.width; column++, offset += this.step) {
        pixels[pixel++] = table[voxels[offset]];
      }
    }
    context.putImageData(image, 0, 0);
  }
}

/** @param {HTMLCanvasElement} canvas */
function context2d(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no 2D canvas");
  return context;
}
