// What the page knows of the study before any block of a section is opened.

/**
 * @typedef {object} Small a map over all items in small
 * @property {"role" | "head"} by
 * @property {(string | number)[]} rows
 * @property {number[]} layers
 * @property {(number | null)[][]} values
 * @property {boolean[][]} sure
 */

/**
 * What a negation, where it is, its sentences and its negator are called in a dataset's contrast.
 * @typedef {Record<"negation" | "negationIn" | "negated" | "affirmative" | "negator", string>} Words
 */

/**
 * @typedef {object} Section
 * @property {string} id
 * @property {string} dataset
 * @property {string} model
 * @property {string} wording
 * @property {string} heading
 * @property {string} folder of its tables
 * @property {number | null} parent the section that it is a control of
 * @property {string[]} sweeps
 * @property {Record<string, Small>} small
 * @property {Words} words
 * @property {string} headline
 * @property {string} pictures the dataset that its pictures are kept with
 * @property {boolean} attention whether the page has its attention
 * @property {boolean} circuit whether it has edges
 * @property {number} figures how many static ones it has
 */

/**
 * @typedef {object} Difference what fine-tuning changed, over all items, in small
 * @property {string} dataset
 * @property {string} wording
 * @property {string} model
 * @property {string} base
 * @property {string} sweep
 * @property {Small} small
 * @property {string} said what it shows
 */

/**
 * @typedef {object} Atlas the models beside one another
 * @property {import("./tables.js").Columns} rows a row per dataset, wording, direction and model
 * @property {import("./tables.js").Columns} matches heads that do the same as those of the first model
 * @property {Difference[]} differences
 */

/**
 * @typedef {object} Study
 * @property {string} title
 * @property {number} alpha
 * @property {Section[]} sections
 * @property {Record<string, {label: string, states: boolean}>} sites
 * @property {[string, string, boolean][]} effects name, label, whether 1 is the whole effect
 * @property {string[]} roles in sentence order
 * @property {string[]} segments
 * @property {string[]} negations
 * @property {number} largest change of a mean score in any map, logits
 * @property {Record<string, string>} about of columns
 * @property {Atlas | null} atlas
 * @property {Record<string, import("./tables.js").Columns>} tables of figures that are no part of a section
 */

/**
 * @typedef {object} Context what a view draws with
 * @property {Study} study
 * @property {Section} section
 * @property {import("./state.js").State} state
 * @property {(changes: import("./state.js").State) => void} set
 * @property {(changes?: import("./state.js").State) => string} link
 */

/** @param {string} sweep @returns {[string, string]} */
export function siteAndDirection(sweep) {
  const [site, direction] = sweep.split(".");
  return [site, direction];
}

/**
 * The effect of a cell or an edge. A ratio without a bounded interval is no number: its denominator may be 0.
 * @param {import("./tables.js").Row} row @param {string} effect
 * @returns {number | null}
 */
export function effectOf(row, effect) {
  const unbounded = !row.known && (row.ratio_ci_low === null || row.ratio_ci_low === undefined);
  return effect === "ratio" && unbounded ? null : (row[effect] ?? null);
}

/**
 * A cell in words.
 * @param {Study} study @param {string} site @param {number} layer @param {string | number} row
 */
export function cellName(study, site, layer, row) {
  const known = study.sites[site];
  if (typeof row === "number") return `head ${row} of block ${layer}`;
  return `${row} in ${known?.states ? "hidden state" : "block"} ${layer}`;
}

/** @param {string} text */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
