// Whole attention patterns of one pair: all heads in small, and one token by token.

import { choice, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { number, token } from "./format.js";
import { drawn } from "./grid.js";
import { among } from "./state.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {"difference" | "negated" | "affirmative"} Shown */

/**
 * @typedef {object} Pattern of a pair, as the page's block holds it
 * @property {number} pair
 * @property {number[]} negated_tokens positions
 * @property {number[]} affirmative_tokens
 * @property {(number | null)[]} negated heads x queries x keys
 * @property {(number | null)[]} affirmative
 */

/**
 * What a head does from each token to each: in the negated sentence, in the affirmative one, or the
 * first minus the second where both tokens have a counterpart.
 * @param {Pattern} pattern @param {(number | null)[]} counterpart of each position of the negated sentence
 * @param {number} steps @param {number} head @param {Shown} shown
 * @returns {(number | null)[][]} queries x keys
 */
export function weights(pattern, counterpart, steps, head, shown) {
  const at = (/** @type {"negated" | "affirmative"} */ side, /** @type {number} */ query, /** @type {number} */ key) => {
    const n = pattern[`${side}_tokens`].length;
    const value = query < 0 || key < 0 ? null : pattern[side][(head * n + query) * n + key];
    return value === null ? null : value / steps;
  };
  if (shown !== "difference") {
    const tokens = pattern[`${shown}_tokens`];
    return tokens.map((_, query) => tokens.map((__, key) => at(shown, query, key)));
  }
  const other = pattern.negated_tokens.map((position) =>
    pattern.affirmative_tokens.indexOf(counterpart[position] ?? -1),
  );
  return other.map((otherQuery, query) =>
    other.map((otherKey, key) => {
      const [one, two] = [at("negated", query, key), at("affirmative", otherQuery, otherKey)];
      return one === null || two === null ? null : one - two;
    }),
  );
}

/**
 * @param {Context} context
 * @param {{pattern: Pattern, of: any, heads: import("./tables.js").Row[], head: number, steps: number, pair: import("./tables.js").Row, kept: number}} known
 */
export function patternView({ section, state, set, link }, { pattern, of, heads, head, steps, pair, kept }) {
  const { words } = section;
  const shown = /** @type {Shown} */ (among(state.shown, ["difference", "negated", "affirmative"]));
  const side = shown === "affirmative" ? "affirmative" : "negated";
  const tokens = pattern[`${side}_tokens`].map((position) => token(of[side][position]));
  const grids = heads.map((_, at) => weights(pattern, of.counterpart, steps, at, shown));
  const layers = [...new Set(heads.map((one) => one.layer))];
  const numbers = [...new Set(heads.map((one) => one.head))];
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    heads.findIndex((one) => one.head === numbers[row] && one.layer === layers[column]);
  const largest = (/** @type {(number | null)[][]} */ grid) =>
    grid.flat().reduce((/** @type {number} */ most, one) => (Math.abs(one ?? 0) > Math.abs(most) ? (one ?? 0) : most), 0);
  const what = {
    difference: `attention in the ${words.negated} sentence minus that in the ${words.affirmative} one`,
    negated: `attention in the ${words.negated} sentence`,
    affirmative: `attention in the ${words.affirmative} sentence`,
  }[shown];
  const name = `${section.id}_patterns_${pair.pair_id}_${shown}`;
  const files = [`${section.folder}/attention_patterns.parquet`];
  const title = `head ${heads[head].head} of block ${heads[head].layer}`;
  const listed = (/** @type {number} */ one) =>
    grids[one].flatMap((line, query) =>
      line.map((value, key) => ({ layer: heads[one].layer, head: heads[one].head, query_position: pattern[`${side}_tokens`][query], query: tokens[query], key_position: pattern[`${side}_tokens`][key], key: tokens[key], [shown]: value })),
    );
  const inside = drawn({
    label: `All heads in small: ${what}`,
    rows: numbers,
    columns: layers,
    rowLabel: "head",
    columnLabel: "block",
    value: (row, column) => largest(grids[at(row, column)]),
    about: (row, column) => `Head ${numbers[row]} of block ${layers[column]}: largest ${number(largest(grids[at(row, column)]))}`,
    inside: (row, column) => grids[at(row, column)],
    limit: 1,
    width: room(430),
    pinned: [numbers.indexOf(heads[head].head), layers.indexOf(heads[head].layer)],
    chosen: (row, column) => set({ head: `${layers[column]}.${numbers[row]}` }),
  });
  const whole = drawn({
    label: `From each token to each, ${title}: ${what}`,
    rows: tokens,
    columns: tokens,
    rowLabel: "from",
    columnLabel: "looked at",
    value: (row, column) => grids[head][row][column],
    about: (row, column) => `From ${tokens[row]} to ${tokens[column]}: ${number(grids[head][row][column])}`,
    limit: 1,
    width: room(600),
  });
  return h(
    "div",
    {},
    h("div", { class: "controls" }, choice("Shown", [["difference", `${words.negated} minus ${words.affirmative}`], ["negated", words.negated], ["affirmative", words.affirmative]], shown, (value) => set({ shown: value }), "shown")),
    h(
      "div",
      { class: "side even" },
      framed({
        name,
        title: "All heads",
        picture: inside,
        caption: [`${what.charAt(0).toUpperCase()}${what.slice(1)}, in this one pair: a small square per head, in it a row per token that looks and a column per token looked at; colours from −1 to 1. Choose a head.`],
        data: heads.flatMap((_, one) => listed(one)),
        files,
        link: link(),
      }),
      framed({
        name: `${name}_${heads[head].layer}.${heads[head].head}`,
        title: title.charAt(0).toUpperCase() + title.slice(1),
        picture: whole,
        caption: [`The same of ${title}, token by token, in steps of 0.01. Whole patterns are kept of ${kept} pairs, those of items spread evenly over the ranks of d.`],
        data: listed(head),
        files,
        link: link(),
      }),
    ),
  );
}
