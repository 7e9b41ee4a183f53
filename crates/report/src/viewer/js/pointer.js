// @ts-check
// Mouse, pen and touch on a plane: crosshair, slices, window, enlargement.

/** Wheel movement of a slice, in pixels, on devices that report small steps. */
const WHEEL_STEP = 30;
/** Movement that sweeps a scan's stored range, in pixels. */
const WINDOW_SWEEP = 400;

/**
 * @param {State} state
 * @param {PlaneCanvas} plane
 */
function connectPointer(state, plane) {
  const { canvas } = plane;
  /** @type {"crosshair" | "window" | null} */
  let dragging = null;
  let rest = 0;

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    dragging = event.button === 2 || event.shiftKey ? "window" : event.button === 0 ? "crosshair" : null;
    state.set({ active: plane.plane.name });
    if (dragging === "crosshair") {
      const at = plane.voxelAt(event.clientX, event.clientY);
      state.set({ selected: state.data.regionAt(at) });
      state.moveTo(at);
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = plane.voxelAt(event.clientX, event.clientY);
    if (dragging === "window") {
      dragWindow(state, event.movementX, event.movementY);
    } else if (dragging === "crosshair") {
      state.moveTo(at);
    }
    state.set({ active: plane.plane.name, pointed: event.pointerType === "touch" ? null : at });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      dragging = null;
    });
  }
  canvas.addEventListener("pointerleave", () => state.set({ pointed: null }));
  canvas.addEventListener("focus", () => state.set({ active: plane.plane.name }));
  canvas.addEventListener("dblclick", () => enlarge(plane.figure));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey) return;
      event.preventDefault();
      const whole = event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL || Math.abs(event.deltaY) >= 2 * WHEEL_STEP;
      rest = whole ? Math.sign(event.deltaY) * WHEEL_STEP : rest + event.deltaY;
      const steps = Math.trunc(rest / WHEEL_STEP);
      rest -= steps * WHEEL_STEP;
      if (steps) scrollSlices(state, plane.plane, steps);
      state.set({ active: plane.plane.name, pointed: plane.voxelAt(event.clientX, event.clientY) });
    },
    { passive: false },
  );
}

/**
 * Moves through slices: downwards on the wheel is towards the feet, the back and the patient's left.
 * @param {State} state
 * @param {Plane} plane
 * @param {number} steps
 */
function scrollSlices(state, plane, steps) {
  state.moveBy(plane.through, plane.through === 0 ? -steps : steps);
}

/**
 * Changes the window: to the right wider, up brighter.
 * @param {State} state
 * @param {number} right
 * @param {number} down
 */
function dragWindow(state, right, down) {
  const image = state.data.payload.images[state.view.image];
  if (!image) return;
  const [black, white] = state.view.windows[state.view.image];
  const unit = ((image.levels - 1) * image.step) / WINDOW_SWEEP;
  const width = Math.max(image.step, white - black + right * unit);
  const level = (black + white) / 2 + down * unit;
  state.setWindow([level - width / 2, level + width / 2]);
}

/**
 * Shows one plane alone, or all three again.
 * @param {HTMLElement} figure
 */
function enlarge(figure) {
  const planes = byId("planes");
  const alone = figure.classList.toggle("large");
  planes.classList.toggle("one", alone);
}
