// @ts-check
// Outlines of voxels of a slice, along the voxels' edges.

/**
 * Traces the edges between voxels inside and outside.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width of the slice
 * @param {number} height
 * @param {(index: number) => boolean} inside by row and column, rows first
 * @param {(column: number) => number} left canvas coordinate of a column's left edge
 * @param {(row: number) => number} top
 */
function traceContour(context, width, height, inside, left, top) {
  context.beginPath();
  for (let row = 0; row <= height; row++) {
    // Edges above this row, joined where they continue.
    let start = -1;
    for (let column = 0; column <= width; column++) {
      const here = column < width && row < height && inside(row * width + column);
      const above = column < width && row > 0 && inside((row - 1) * width + column);
      if (here !== above && start < 0) start = column;
      if (here === above && start >= 0) {
        context.moveTo(left(start), top(row));
        context.lineTo(left(column), top(row));
        start = -1;
      }
    }
  }
  for (let column = 0; column <= width; column++) {
    let start = -1;
    for (let row = 0; row <= height; row++) {
      const here = row < height && column < width && inside(row * width + column);
      const before = row < height && column > 0 && inside(row * width + column - 1);
      if (here !== before && start < 0) start = row;
      if (here === before && start >= 0) {
        context.moveTo(left(column), top(start));
        context.lineTo(left(column), top(row));
        start = -1;
      }
    }
  }
}

/**
 * Strokes the traced path over a dark casing, so that it is visible on any background.
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {number} width in canvas pixels
 */
function strokeContour(context, colour, width) {
  context.lineJoin = "round";
  context.lineCap = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  context.lineWidth = width * 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}
