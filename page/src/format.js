// Numbers as text.

/** @param {number | null | undefined} value @param {number} [digits] */
export function number(value, digits = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** @param {number | null | undefined} value */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${number(100 * value, 1)}%`;
}

/** @param {number | null | undefined} p */
export function probability(p) {
  if (p === null || p === undefined) return "–";
  if (p >= 0.001) return p.toFixed(3);
  return p === 0 ? "0" : p.toExponential(0).replace("-", "−");
}

/**
 * An interval, or nothing where a limit is missing.
 * @param {number | null | undefined} low @param {number | null | undefined} high
 * @param {(value: number) => string} [form]
 */
export function interval(low, high, form = number) {
  const bounded = low !== null && low !== undefined && high !== null && high !== undefined;
  return bounded ? `${form(low)} to ${form(high)}` : "";
}

/** @param {string} text a token as a tokenizer gives it */
export function token(text) {
  return text.replace("<start_of_text>", "SOT").replace("<end_of_text>", "EOT");
}

/** @param {number | null | undefined} count @param {string} noun */
export function counted(count, noun) {
  return count === null || count === undefined ? "–" : `${count} ${noun}${count === 1 ? "" : "s"}`;
}
