// @ts-check
// Decoding of volumes: base64, zlib, and the differences from predictions.

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes a zlib stream
 * @returns {Promise<Uint8Array>}
 */
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Adds the predictions to the differences, in place.
 * @param {Uint8Array} values
 * @param {VolumeRef["prediction"]} prediction
 * @param {number} ny
 * @param {number} nx
 */
function addPredictions(values, prediction, ny, nx) {
  if (prediction === "none") return;
  const mean = prediction === "mean";
  const slice = ny * nx;
  let i = 0;
  for (let z = 0; i < values.length; z++) {
    for (let y = 0; y < ny; y++) {
      // Neighbours at x - 1: in this row, the row above, the slice before, and its row above.
      let [left, leftAbove, leftBefore, leftCorner] = [0, 0, 0, 0];
      for (let x = 0; x < nx; x++, i++) {
        const above = y > 0 ? values[i - nx] : 0;
        const before = z > 0 ? values[i - slice] : 0;
        const corner = y > 0 && z > 0 ? values[i - slice - nx] : 0;
        let predicted;
        if (mean) {
          predicted = ((left + above + before) / 3) | 0;
        } else {
          predicted = left + above + before - leftAbove - leftBefore - corner + leftCorner;
          predicted = predicted < 0 ? 0 : predicted > 255 ? 255 : predicted;
        }
        values[i] += predicted;
        left = values[i];
        leftAbove = above;
        leftBefore = before;
        leftCorner = corner;
      }
    }
  }
}

/**
 * Joins the volumes of the bytes of each voxel.
 * @param {Uint8Array} values
 * @param {number} bytes
 * @returns {Voxels}
 */
function join(values, bytes) {
  if (bytes === 1) return values;
  const count = values.length / bytes;
  const joined = bytes === 2 ? new Uint16Array(count) : new Uint32Array(count);
  for (let byte = 0; byte < bytes; byte++) {
    for (let i = 0; i < count; i++) joined[i] |= values[byte * count + i] << (8 * byte);
  }
  return joined;
}

/**
 * Reads a volume and removes its text from the page.
 * @param {VolumeRef} ref
 * @param {Zyx} shape
 * @returns {Promise<Voxels>}
 */
async function readVolume(ref, [nz, ny, nx]) {
  const element = byId(ref.id);
  const values = await inflate(bytesOf(element.textContent ?? ""));
  element.remove();
  const expected = nz * ny * nx * ref.bytes;
  if (values.length !== expected) {
    throw new Error(`${ref.id}: expected ${expected} bytes, found ${values.length}`);
  }
  addPredictions(values, ref.prediction, ny, nx);
  return join(values, ref.bytes);
}
