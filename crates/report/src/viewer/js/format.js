// @ts-check
// Numbers as text.

/**
 * A value, with the digits that a step of its storage allows.
 * @param {number} value
 * @param {number} step
 */
function withStep(value, step) {
  const places = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step))));
  return plain(value, places);
}

/**
 * @param {number} value
 * @param {number} places
 */
function plain(value, places) {
  return value.toFixed(places).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−");
}

/**
 * A signed change.
 * @param {number | null} value
 * @param {number} places
 */
function signed(value, places) {
  if (value === null) return "–";
  const text = plain(value, places);
  return value > 0 && !/^0(\.0*)?$/.test(text) ? `+${text}` : text;
}

/** @param {number} ml */
function millilitres(ml) {
  return plain(ml, ml < 10 ? 2 : 1);
}
