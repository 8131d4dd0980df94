// Colours of maps: from the page's variables, so that they follow its light and dark looks.

// From these shares on the ink changes, on dark paper and on light: nearer to 0 it would be
// unreadable after them, further on before them.
const [MIDDLE, STRONG] = [0.57, 0.82];

/**
 * A CSS colour for a value on a scale from -limit to limit.
 * @param {number | null} value @param {number} limit
 */
export function fill(value, limit) {
  if (value === null) return "var(--map-none)";
  const share = Math.min(1, Math.abs(value) / limit);
  const end = value < 0 ? "low" : "high";
  return `color-mix(in oklab, var(--map-${end}) ${(100 * share).toFixed(1)}%, var(--map-zero))`;
}

/**
 * The class of what is written on such a colour.
 * @param {number | null} value @param {number} limit
 */
export function inkOn(value, limit) {
  const share = value === null ? 0 : Math.abs(value) / limit;
  return share > STRONG ? "on-strong" : share > MIDDLE ? "on-middle" : "on-weak";
}

/** @param {number} limit */
export function gradient(limit) {
  const stops = [-1, -0.5, 0, 0.5, 1].map((share) => fill(share * limit, limit));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
