// @ts-check
// The keyboard, and the help.

/** @param {State} state */
function connectKeys(state) {
  const help = /** @type {HTMLDialogElement} */ (byId("help"));
  byId("help-button").addEventListener("click", () => help.showModal());
  byId("help-close").addEventListener("click", () => help.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const writing = target.matches("input, select");
    if (writing && /^(Arrow|Page|Home|End)/.test(event.key)) return;
    if (target.matches("select") && event.key.length === 1) return;
    if (press(state, event.key, event.shiftKey, help)) event.preventDefault();
  });
}

/**
 * Acts on a key; returns whether it has a meaning.
 * @param {State} state
 * @param {string} key
 * @param {boolean} shift
 * @param {HTMLDialogElement} help
 */
function press(state, key, shift, help) {
  const { view } = state;
  const plane = PLANES.find((plane) => plane.name === view.active) ?? PLANES[0];
  const { images, overlays } = state.data.payload;
  const down = plane.flipped ? -1 : 1;
  const next = (/** @type {number} */ index, /** @type {number} */ count) => (index + (shift ? count - 1 : 1)) % count;
  // Values at the crosshair are of interest while it moves.
  if (/^(Arrow|Page)/.test(key)) state.set({ pointed: null });
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case "ArrowLeft":
      state.moveBy(plane.across, -1);
      break;
    case "ArrowRight":
      state.moveBy(plane.across, 1);
      break;
    case "ArrowUp":
      state.moveBy(plane.down, -down);
      break;
    case "ArrowDown":
      state.moveBy(plane.down, down);
      break;
    case "PageUp":
      scrollSlices(state, plane, -1);
      break;
    case "PageDown":
      scrollSlices(state, plane, 1);
      break;
    case "s":
      if (images.length) state.showImage(next(view.image, images.length));
      break;
    case "v":
      if (overlays.length) state.showOverlay(next(view.overlay, overlays.length));
      break;
    case "o":
      state.set({ showOverlay: !view.showOverlay });
      break;
    case "m":
      state.set({ showMask: !view.showMask });
      break;
    case "e":
      state.set({ showOutline: !view.showOutline });
      break;
    case "c":
      state.set({ showCrosshair: !view.showCrosshair });
      break;
    case "r":
      resetWindow(state);
      break;
    case "f": {
      const figure = document.querySelector(`.plane[data-plane="${plane.name}"]`);
      if (figure instanceof HTMLElement) enlarge(figure);
      break;
    }
    case "?":
      help.showModal();
      break;
    default:
      return false;
  }
  return true;
}
