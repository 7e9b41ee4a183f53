// @ts-check
// Colours of levels: grey within a window, and overlays with transparency.

/** Share of the colour scale from which an overlay has its full opacity. */
const OPAQUE_FROM = 0.2;

/**
 * Packs a colour as canvas image data of little-endian machines stores it.
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 * @param {number} alpha
 */
function pack(red, green, blue, alpha) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * Colours of a scan's levels.
 * @param {ImageData_} image
 * @param {[number, number]} window values shown black and white
 */
function greyTable(image, [black, white]) {
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const share = (image.low + level * image.step - black) / (white - black);
    const grey = Math.round(255 * Math.max(0, Math.min(1, share)));
    table[level] = pack(grey, grey, grey, 255);
  }
  return table;
}

/**
 * Colour of an overlay's value: transparent at 0, then increasingly opaque.
 * @param {Uint8Array} colours red, green, blue
 * @param {[number, number]} range
 * @param {number} value
 * @param {number} opacity
 */
function overlayColour(colours, [low, high], value, opacity) {
  const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
  const strength = low < 0 ? Math.abs(value) / Math.max(-low, high) : share;
  const alpha = Math.round(255 * opacity * Math.max(0, Math.min(1, strength / OPAQUE_FROM)));
  const at = 3 * Math.round(share * (colours.length / 3 - 1));
  return pack(colours[at], colours[at + 1], colours[at + 2], alpha);
}

/**
 * Colours of an overlay, by level or by index of a region.
 * @param {OverlayData} overlay
 * @param {Float32Array} values value of each level or region
 * @param {Uint8Array} colours
 * @param {number} opacity
 */
function overlayTable(overlay, values, colours, opacity) {
  return Uint32Array.from(values, (value) => overlayColour(colours, overlay.range, value, opacity));
}
