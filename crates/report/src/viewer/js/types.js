// Shapes of the page's data, for type checkers only: this file is not part of the page.

/**
 * A vector or index in the order z, y, x.
 * @typedef {[number, number, number]} Zyx
 */

/**
 * @typedef {object} VolumeRef
 * @property {string} id element that holds the base64 text
 * @property {"none" | "mean" | "gradient"} prediction
 * @property {number} bytes bytes of a voxel, as whole volumes, the least significant first
 */

/**
 * The stored grid: turned to LPS (x to the left, y to the back, z up) and cropped.
 * @typedef {object} Grid
 * @property {Zyx} shape
 * @property {Zyx} spacing_mm
 * @property {number[][]} world_from_voxel rows of the affine on (x, y, z, 1)
 * @property {number} voxel_ml
 * @property {Zyx} start first voxel of the crop in the turned grid
 * @property {Zyx} file_shape
 * @property {Zyx} source axis in the file for each axis here
 * @property {[boolean, boolean, boolean]} reversed whether each axis runs against that of the file
 * @property {string} codes
 * @property {boolean} oriented
 * @property {number} oblique_degrees
 */

/**
 * @typedef {object} ImageData_
 * @property {string} name
 * @property {VolumeRef} volume
 * @property {number} low value of level 0
 * @property {number} step
 * @property {number} levels
 * @property {[number, number]} window
 * @property {number} clipped
 */

/**
 * @typedef {object} OverlayData
 * @property {string} label
 * @property {number[] | null} values by index of a region, if that is how the overlay is stored
 * @property {VolumeRef | null} volume otherwise its levels
 * @property {number} low
 * @property {number} step
 * @property {number} first first level of the mask at the threshold
 * @property {number} threshold
 * @property {string | null} rule
 * @property {[number, number]} range
 * @property {number[]} voxels voxels of the whole grid, by index of a region or by level
 * @property {number[]} inside those of them inside the outline
 * @property {number[]} means by index of a region
 */

/**
 * @typedef {object} RegionRow
 * @property {number} id
 * @property {number | null} rank
 * @property {number | null} delta_p
 * @property {number | null} delta_logit
 * @property {number} voxels
 * @property {number} ml
 * @property {[number, number, number]} centroid_mm x, y, z
 * @property {Zyx | null} centre
 */

/**
 * @typedef {object} Payload
 * @property {Grid} grid
 * @property {ImageData_[]} images
 * @property {OverlayData[]} overlays
 * @property {{volume: VolumeRef, rows: RegionRow[]} | null} regions
 * @property {{name: string, volume: VolumeRef, voxels: number} | null} outline
 * @property {{name: string, label: string, colours: string}[]} palettes
 */

/**
 * One of the three planes. Axes are indices into z, y, x.
 * @typedef {object} Plane
 * @property {string} name
 * @property {number} across axis from left to right
 * @property {number} down axis from top to bottom, or from bottom to top if flipped
 * @property {number} through axis of the slices
 * @property {boolean} flipped
 * @property {[string, string, string, string]} letters left, right, top, bottom
 */

/** @typedef {Uint8Array | Uint16Array | Uint32Array} Voxels */
