// @ts-check
// Values at the pointer, or at the crosshair while there is no pointer.

/**
 * @param {State} state
 */
function connectReadout(state) {
  const where = byId("readout-where");
  const values = byId("readout-values");
  const region = byId("readout-region");
  state.listeners.push((view) => {
    const at = view.pointed ?? view.at;
    where.textContent = whereText(state.data.grid, at, view.pointed !== null);
    values.textContent = valuesText(state.data, view, at);
    region.textContent = regionText(state.data, state.data.regionAt(at));
  });
}

/**
 * The voxel in the file, and its position if the file states one.
 * @param {Grid} grid
 * @param {Zyx} at
 * @param {boolean} pointed
 */
function whereText(grid, at, pointed) {
  const voxel = `${pointed ? "Pointer" : "Crosshair"}: voxel ${fileVoxel(grid, at).join(", ")}`;
  if (!grid.oriented) return voxel;
  const mm = worldOf(grid, at).map((value) => plain(value, 1));
  return `${voxel} · ${mm.join(", ")} mm`;
}

/**
 * The values of all decoded scans, then the overlay's.
 * @param {CaseData} data
 * @param {View} view
 * @param {Zyx} at
 */
function valuesText(data, view, at) {
  const parts = data.payload.images.flatMap((image, index) => {
    const value = data.imageValue(index, at);
    return value === undefined ? [] : [`${image.name} ${withStep(value, image.step)}`];
  });
  const overlay = data.payload.overlays[view.overlay];
  const value = overlay && data.overlayValue(view.overlay, at);
  if (overlay && value !== undefined) {
    parts.push(`${overlay.label} ${withStep(value, overlay.values ? 0.1 : overlay.step)}`);
  }
  return parts.join(" · ");
}

/**
 * @param {CaseData} data
 * @param {number} index
 */
function regionText(data, index) {
  const { regions } = data.payload;
  if (!regions) return "";
  if (index < 0) return "No region";
  const row = regions.rows[index];
  const ranked = regions.rows.filter((other) => other.rank !== null).length;
  const parts = [`Region ${row.id}: rank ${row.rank} of ${ranked}`];
  if (row.delta_p !== null) parts.push(`Δp ${signed(row.delta_p, 3)}`);
  if (row.delta_logit !== null) parts.push(`Δlogit ${signed(row.delta_logit, 2)}`);
  parts.push(`${millilitres(row.ml)} ml`);
  return parts.join(" · ");
}
