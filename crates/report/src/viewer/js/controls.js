// @ts-check
// Choosers, sliders and toggles above the planes, and the sliders of the slices.

/**
 * @param {string} id
 * @returns {HTMLInputElement | null}
 */
function inputOf(id) {
  return /** @type {HTMLInputElement | null} */ (document.getElementById(id));
}

/** @param {State} state */
function connectControls(state) {
  connectImage(state);
  connectOverlay(state);
  connectThreshold(state);
  connectToggle(state, "overlay-toggle", "showOverlay");
  connectToggle(state, "mask-toggle", "showMask");
  connectToggle(state, "outline-toggle", "showOutline");
}

/** @param {State} state */
function connectImage(state) {
  const chooser = /** @type {HTMLSelectElement | null} */ (document.getElementById("image"));
  const [low, high] = [inputOf("window-low"), inputOf("window-high")];
  if (!chooser || !low || !high) return;
  const text = byId("window-text");
  chooser.addEventListener("change", () => state.showImage(Number(chooser.value)));
  low.addEventListener("input", () => state.setWindow([Number(low.value), state.view.windows[state.view.image][1]]));
  high.addEventListener("input", () => {
    const black = state.view.windows[state.view.image][0];
    state.setWindow([Math.min(black, Number(high.value) - 1e-9), Number(high.value)]);
  });
  byId("window-reset").addEventListener("click", () => resetWindow(state));
  state.listeners.push((view) => {
    const image = state.data.payload.images[view.image];
    const [black, white] = view.windows[view.image];
    const top = image.low + (image.levels - 1) * image.step;
    for (const [slider, value] of /** @type {[HTMLInputElement, number][]} */ ([[low, black], [high, white]])) {
      slider.min = String(image.low);
      slider.max = String(top);
      slider.value = String(value);
    }
    chooser.value = String(view.image);
    text.textContent = `${withStep(black, image.step)} to ${withStep(white, image.step)}`;
  });
}

/** @param {State} state */
function resetWindow(state) {
  const image = state.data.payload.images[state.view.image];
  if (image) state.setWindow(image.window);
}

/** @param {State} state */
function connectOverlay(state) {
  const chooser = /** @type {HTMLSelectElement | null} */ (document.getElementById("overlay"));
  const palette = /** @type {HTMLSelectElement | null} */ (document.getElementById("palette"));
  const opacity = inputOf("opacity");
  if (!chooser || !palette || !opacity) return;
  const text = byId("opacity-text");
  chooser.addEventListener("change", () => state.showOverlay(Number(chooser.value)));
  palette.addEventListener("change", () => {
    const palettes = [...state.view.palettes];
    palettes[state.view.overlay] = palette.value;
    state.set({ palettes });
  });
  opacity.addEventListener("input", () => state.set({ opacity: Number(opacity.value), showOverlay: true }));
  state.listeners.push((view) => {
    chooser.value = String(view.overlay);
    palette.value = view.palettes[view.overlay];
    opacity.value = String(view.opacity);
    text.textContent = `${Math.round(100 * view.opacity)} %`;
  });
}

/** @param {State} state */
function connectThreshold(state) {
  const slider = inputOf("threshold");
  if (!slider) return;
  const { payload, overlayValues, colours } = state.data;
  const [text, measured] = [byId("threshold-text"), byId("mask-text")];
  const scale = /** @type {HTMLCanvasElement} */ (byId("scale"));
  slider.addEventListener("input", () => state.setThreshold(Number(slider.value)));
  byId("threshold-reset").addEventListener("click", () =>
    state.setThreshold(payload.overlays[state.view.overlay].threshold),
  );
  state.listeners.push((view) => {
    const overlay = payload.overlays[view.overlay];
    const threshold = view.thresholds[view.overlay];
    slider.min = String(overlay.range[0]);
    slider.max = String(overlay.range[1]);
    slider.value = String(threshold);
    const step = rangeStep(overlay);
    byId("scale-low").textContent = withStep(overlay.range[0], step);
    byId("scale-high").textContent = withStep(overlay.range[1], step);
    const rule = threshold === overlay.threshold ? (overlay.rule ? ` (${overlay.rule})` : "") : " (by hand)";
    text.textContent = `${withStep(threshold, step / 10)}${rule}`;
    const mask = measure(payload, overlay, maskTable(overlay, overlayValues[view.overlay], threshold));
    const dice = mask.dice === null ? "" : ` · Dice ${mask.dice.toFixed(3)} with ${payload.outline?.name}`;
    measured.textContent = `${millilitres(mask.ml)} ml${dice}`;
    const table = colours.get(view.palettes[view.overlay]);
    if (table) paintScale(scale, table);
  });
}

/**
 * The colour bar.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} colours
 */
function paintScale(canvas, colours) {
  const context = context2d(canvas);
  const image = context.createImageData(canvas.width, 1);
  for (let x = 0; x < canvas.width; x++) {
    const at = 3 * Math.round((x / (canvas.width - 1)) * (colours.length / 3 - 1));
    image.data.set([colours[at], colours[at + 1], colours[at + 2], 255], 4 * x);
  }
  context.putImageData(image, 0, 0);
}

/**
 * @param {State} state
 * @param {string} id
 * @param {"showOverlay" | "showMask" | "showOutline"} name
 */
function connectToggle(state, id, name) {
  const button = document.getElementById(id);
  if (!button) return;
  button.addEventListener("click", () => state.set({ [name]: !state.view[name] }));
  state.listeners.push((view) => button.setAttribute("aria-pressed", String(view[name])));
}

/**
 * The slider below a plane, and the number of its slice above it, counted on the whole scan.
 * @param {State} state
 * @param {PlaneCanvas} plane
 */
function connectSlices(state, plane) {
  const { through } = plane.plane;
  const { shape, start, source, file_shape: whole } = state.data.grid;
  const slider = /** @type {HTMLInputElement} */ (plane.figure.querySelector(".slices"));
  const text = /** @type {HTMLElement} */ (plane.figure.querySelector(".slice"));
  slider.max = String(shape[through] - 1);
  slider.addEventListener("input", () => {
    const at = /** @type {Zyx} */ ([...state.view.at]);
    at[through] = Number(slider.value);
    state.set({ active: plane.plane.name });
    state.moveTo(at);
  });
  state.listeners.push((view) => {
    slider.value = String(view.at[through]);
    text.textContent = `${view.at[through] + start[through] + 1} of ${whole[source[through]]}`;
  });
}
