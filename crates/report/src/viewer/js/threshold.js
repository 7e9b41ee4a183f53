// @ts-check
// Masks of an overlay: which levels or regions belong to them, their volume and their Dice coefficient.

/**
 * Whether each level, or each region, belongs to the mask. At the first threshold the levels are exactly those of the mask
 * that was computed from the values before they were quantised.
 * @param {OverlayData} overlay
 * @param {Float32Array} values
 * @param {number} threshold
 * @returns {Uint8Array}
 */
function maskTable(overlay, values, threshold) {
  const exact = !overlay.values && threshold === overlay.threshold;
  return Uint8Array.from(values, (value, level) =>
    (exact ? level >= overlay.first : value >= threshold) ? 1 : 0,
  );
}

/**
 * Volume of the mask, and its Dice coefficient with the outline if there is one, counted on the whole scan.
 * @param {Payload} payload
 * @param {OverlayData} overlay
 * @param {Uint8Array} mask
 */
function measure(payload, overlay, mask) {
  let voxels = 0;
  let both = 0;
  mask.forEach((inside, level) => {
    if (!inside) return;
    voxels += overlay.voxels[level];
    both += overlay.inside[level] ?? 0;
  });
  const { outline } = payload;
  const sum = voxels + (outline?.voxels ?? 0);
  const dice = outline ? (sum ? (2 * both) / sum : 1) : null;
  return { voxels, ml: voxels * payload.grid.voxel_ml, dice };
}
