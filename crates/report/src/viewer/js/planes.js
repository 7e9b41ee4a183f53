// @ts-check
// The three planes in radiological convention, and the way between voxels, the file's voxels and millimetres.

/** @type {Plane[]} */
const PLANES = [
  { name: "axial", across: 2, down: 1, through: 0, flipped: false, letters: ["R", "L", "A", "P"] },
  { name: "coronal", across: 2, down: 0, through: 1, flipped: true, letters: ["R", "L", "S", "I"] },
  { name: "sagittal", across: 1, down: 0, through: 2, flipped: true, letters: ["A", "P", "S", "I"] },
];

/**
 * Row on the screen of an index along the plane's vertical axis, and the other way round.
 * @param {Plane} plane
 * @param {Zyx} shape
 * @param {number} index
 */
function screenRow(plane, shape, index) {
  return plane.flipped ? shape[plane.down] - 1 - index : index;
}

/**
 * Index into a volume's array.
 * @param {Zyx} shape
 * @param {Zyx} at
 */
function offsetOf([, ny, nx], [z, y, x]) {
  return (z * ny + y) * nx + x;
}

/**
 * @param {Zyx} shape
 * @param {Zyx} at
 * @returns {Zyx}
 */
function clampTo(shape, at) {
  const clamp = (/** @type {number} */ axis) => Math.max(0, Math.min(shape[axis] - 1, Math.round(at[axis])));
  return [clamp(0), clamp(1), clamp(2)];
}

/**
 * The voxel in the file, in the file's order x, y, z.
 * @param {Grid} grid
 * @param {Zyx} at
 */
function fileVoxel(grid, at) {
  const voxel = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    const source = grid.source[axis];
    const turned = at[axis] + grid.start[axis];
    voxel[2 - source] = grid.reversed[axis] ? grid.file_shape[source] - 1 - turned : turned;
  }
  return voxel;
}

/**
 * Millimetres in the scanner's coordinates: x to the right, y to the front, z up.
 * @param {Grid} grid
 * @param {Zyx} at
 */
function worldOf(grid, [z, y, x]) {
  return grid.world_from_voxel.map(([a, b, c, d]) => a * x + b * y + c * z + d);
}
