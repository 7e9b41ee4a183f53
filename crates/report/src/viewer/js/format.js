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
 * A hundredth of the colour scale.
 * @param {OverlayData} overlay
 */
function rangeStep({ range }) {
  return (range[1] - range[0]) / 100;
}

/**
 * @param {number} value
 * @param {number} places
 */
function plain(value, places) {
  return value.toFixed(places).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−");
}

/** Below this, decimals are hard to count and an exponent is written. */
const SMALLEST_DECIMAL = 1e-4;

/**
 * With this number of decimals, and more if they would leave fewer than two significant digits: 0.31, 0.0012, 1.2e−5.
 * @param {number} value
 * @param {number} places
 */
function significant(value, places) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < SMALLEST_DECIMAL) return value.toExponential(1).replaceAll("-", "−");
  return plain(value, Math.max(places, 1 - Math.floor(Math.log10(size))));
}

/**
 * A signed change.
 * @param {number | null} value
 * @param {number} places
 */
function signed(value, places) {
  if (value === null) return "–";
  return value > 0 ? `+${significant(value, places)}` : significant(value, places);
}

/** @param {number} ml */
function millilitres(ml) {
  return significant(ml, ml < 10 ? 2 : 1);
}
