// Tables: lists by column, as the page's blocks hold them, and their rows.

/** @typedef {Record<string, any[]>} Columns */
/** @typedef {Record<string, any>} Row */

/** @param {Columns} columns @returns {Row[]} */
export function rows(columns) {
  const names = Object.keys(columns);
  const length = names.length ? columns[names[0]].length : 0;
  return Array.from({ length }, (_, number) =>
    Object.fromEntries(names.map((name) => [name, columns[name][number]])),
  );
}

/** @param {any} value */
function field(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Rows as CSV, with a header.
 * @param {Row[]} table @param {string[]} [names]
 */
export function csv(table, names = Object.keys(table[0] ?? {})) {
  const lines = [names, ...table.map((row) => names.map((name) => row[name]))];
  return lines.map((line) => line.map(field).join(",") + "\n").join("");
}

const ESCAPES = /** @type {Record<string, string>} */ ({
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
});

/** @param {any} value */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return text.replace(/[\\~^&%$#_{}]/g, (found) => ESCAPES[found] ?? `\\${found}`);
}

/**
 * Rows as a LaTeX table (package booktabs).
 * @param {Row[]} table @param {string[]} [names]
 */
export function latex(table, names = Object.keys(table[0] ?? {})) {
  const form = names.map((name) => (typeof table[0]?.[name] === "number" ? "r" : "l")).join("");
  const line = (/** @type {any[]} */ values) => `${values.map(cell).join(" & ")} \\\\\n`;
  const body = table.map((row) => line(names.map((name) => row[name]))).join("");
  return (
    `\\begin{tabular}{${form}}\n\\toprule\n${line(names)}\\midrule\n${body}` +
    `\\bottomrule\n\\end{tabular}\n`
  );
}

/**
 * Rows sorted by a column; what is missing stands last whichever way.
 * @param {Row[]} table @param {string} name @param {boolean} down
 */
export function sorted(table, name, down) {
  const sign = down ? -1 : 1;
  const missing = (/** @type {any} */ value) => value === null || value === undefined;
  return [...table].sort((one, other) => {
    const [a, b] = [one[name], other[name]];
    if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
    return sign * (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
  });
}
