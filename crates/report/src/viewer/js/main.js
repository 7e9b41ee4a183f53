// @ts-check
// Start: what is shown first is decoded first, the rest in the background.

async function main() {
  const data = new CaseData(JSON.parse(byId("data").textContent ?? ""));
  const state = new State(data);
  const { payload } = data;
  const first = [payload.images[0]?.volume, data.overlayRef(0)];
  for (const ref of first) if (ref) await data.load(ref);

  byId("viewer").hidden = false;
  connectControls(state);
  for (const plane of PLANES) {
    const figure = document.querySelector(`.plane[data-plane="${plane.name}"]`);
    if (!(figure instanceof HTMLElement)) continue;
    const canvas = new PlaneCanvas(state, plane, figure);
    connectPointer(state, canvas);
    connectSlices(state, canvas);
    state.listeners.push((view) => canvas.draw(view));
  }
  connectReadout(state);
  connectTable(state);
  connectKeys(state);
  state.refresh();
  byId("status").hidden = true;

  const rest = [
    payload.outline?.volume,
    payload.regions?.volume,
    ...payload.images.map((image) => image.volume),
    ...payload.overlays.map((overlay) => overlay.volume),
  ];
  for (const ref of rest) {
    if (!ref) continue;
    await data.load(ref);
    state.refresh();
  }
  document.documentElement.dataset.loaded = "true";
}

if (typeof DecompressionStream !== "undefined" && typeof ResizeObserver !== "undefined") {
  main().catch((error) => {
    const status = byId("status");
    status.hidden = false;
    status.textContent = `The page could not be shown: ${error instanceof Error ? error.message : error}`;
    console.error(error);
  });
}
