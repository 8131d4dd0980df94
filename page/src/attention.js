// Attention of one head in one pair: to the negator, both sentences aligned; and whole where it is kept.

import { block } from "./blocks.js";
import { choice, h, room } from "./dom.js";
import { framed, tools } from "./figure.js";
import { number, token } from "./format.js";
import { drawn } from "./grid.js";
import { sentences } from "./itemtable.js";
import { patternView } from "./patterns.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */

/** @param {Context} context */
export async function attentionView(context) {
  const { section, state, set, link } = context;
  const { words } = section;
  const [attention, known, patterns] = await Promise.all([
    block(`${section.id}-attention`),
    block(`${section.id}-items`),
    block(`${section.id}-patterns`),
  ]);
  const pairs = rows(known.pairs);
  const heads = rows(attention.heads);
  const names = heads.map(({ layer, head }) => `${layer}.${head}`);
  /** @type {number[]} */
  const kept = patterns.map((/** @type {import("./patterns.js").Pattern} */ one) => one.pair);
  // Those with whole patterns first; without a choice the one of median d is shown.
  const order = [...kept, ...pairs.map((_, number) => number).filter((number) => !kept.includes(number))];
  const asked = pairs.findIndex((pair) => pair.pair_id === state.pair);
  const pair = asked < 0 ? order[Math.floor(kept.length / 2)] : asked;
  const pattern = patterns[kept.indexOf(pair)];
  const of = attention.pairs[pair];
  const weights = (/** @type {"to_negated" | "to_affirmative"} */ side, /** @type {number} */ head) =>
    of.queries.map((/** @type {number} */ _, /** @type {number} */ query) => {
      const value = of[side][head * of.queries.length + query];
      return value === null ? null : value / attention.steps;
    });
  const last = of.negator.lastIndexOf(true);
  const selectivity = heads.map((_, head) => {
    const [negated, affirmative] = [weights("to_negated", head), weights("to_affirmative", head)];
    const differences = of.queries
      .map((/** @type {number} */ position, /** @type {number} */ query) =>
        position > last && negated[query] !== null && affirmative[query] !== null
          ? negated[query] - affirmative[query]
          : null)
      .filter((/** @type {number | null} */ one) => one !== null);
    return differences.length ? Math.max(...differences) : null;
  });
  const strongest = names[selectivity.indexOf(Math.max(...selectivity.map((one) => one ?? -Infinity)))];
  const head = names.indexOf(state.head && names.includes(state.head) ? state.head : strongest);
  const step = (/** @type {number} */ by) => () =>
    set({ pair: pairs[order[(order.indexOf(pair) + by + order.length) % order.length]].pair_id });
  const layers = [...new Set(heads.map((one) => one.layer))];
  const numbers = [...new Set(heads.map((one) => one.head))];
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    names.indexOf(`${layers[column]}.${numbers[row]}`);
  const data = of.queries.map((/** @type {number} */ position, /** @type {number} */ query) => {
    const [negated, affirmative] = [weights("to_negated", head)[query], weights("to_affirmative", head)[query]];
    return {
      position,
      role: of.roles[position],
      negated: of.negated[position],
      affirmative: of.counterpart[position] === null ? null : of.affirmative[of.counterpart[position]],
      to_negator: negated,
      to_counterpart: affirmative,
      difference: negated === null || affirmative === null ? null : negated - affirmative,
    };
  });
  const overview = drawn({
    label: "Selectivity of every head in this pair",
    rows: numbers,
    columns: layers,
    rowLabel: "head",
    columnLabel: "block",
    value: (row, column) => selectivity[at(row, column)],
    about: (row, column) => `Head ${numbers[row]} of block ${layers[column]}: ${number(selectivity[at(row, column)])}`,
    limit: 1,
    width: room(560),
    pinned: [numbers.indexOf(heads[head].head), layers.indexOf(heads[head].layer)],
    chosen: (row, column) => set({ head: names[at(row, column)] }),
  });
  return h(
    "div",
    {},
    h(
      "div",
      { class: "controls" },
      choice("Head (block.head)", names, names[head], (value) => set({ head: value }), "head"),
      choice(
        "Pair",
        order.map((number) => [
          pairs[number].pair_id,
          pairs[number].negated,
          kept.includes(number) ? "whole patterns, from lowest to highest d" : `attention to ${words.negator}`,
        ]),
        pairs[pair].pair_id,
        (value) => set({ pair: value }),
        "pair",
      ),
      h("button", { type: "button", click: step(-1), "aria-label": "previous pair" }, "←"),
      h("button", { type: "button", click: step(1), "aria-label": "next pair" }, "→"),
    ),
    h("p", { class: "pair" }, ...sentences(pairs[pair].negated, pairs[pair].affirmative)),
    h(
      "div",
      { class: "side even" },
      framed({
        name: `${section.id}_selectivity_${pairs[pair].pair_id}`,
        picture: overview,
        caption: [`Selectivity of each head in this pair: the largest difference over the tokens behind ${words.negator}. Choose a head.`],
        data: heads.map((one, number) => ({ ...one, selectivity: selectivity[number] })),
        files: [`${section.folder}/selectivity.parquet`],
        link: link(),
      }),
      h(
        "div",
        { class: "panel" },
        h("h3", {}, `Head ${heads[head].head} of block ${heads[head].layer}: attention to ${words.negator}`),
        table(data, words),
        h("p", { class: "soft" }, `From each token to ${words.negator} in the ${words.negated} sentence, to its counterpart in the ${words.affirmative} one, and the difference, in steps of 0.01.`),
        tools({
          name: `${section.id}_attention_${names[head]}_${pairs[pair].pair_id}`,
          data,
          files: [`${section.folder}/attention.parquet`],
          link: link(),
        }),
      ),
    ),
    pattern
      ? patternView(context, { pattern, of, heads, head, steps: attention.steps, pair: pairs[pair], kept: kept.length })
      : h("p", { class: "soft" }, `Attention from every token to every other is kept of ${kept.length} pairs, the first ones of the list.`),
  );
}

/** @param {any[]} data @param {import("./study.js").Words} words */
function table(data, words) {
  const bar = (/** @type {number | null} */ value, kind = "") =>
    h(
      "td",
      {},
      value === null
        ? "–"
        : h(
            "span",
            { class: `bar ${value < 0 ? "negative" : ""} ${kind}`, style: `--share: ${Math.min(1, Math.abs(value))}` },
            number(value),
          ),
    );
  return h(
    "div",
    { class: "wide" },
    h(
      "table",
      { class: "attention" },
      h(
        "thead",
        {},
        h("tr", {}, ...[words.negated, words.affirmative, `to ${words.negator}`, "to its counterpart", "difference"].map((name) => h("th", { scope: "col" }, name))),
      ),
      h(
        "tbody",
        {},
        ...data.map((row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, token(row.negated)),
            h("td", { class: "text" }, row.affirmative === null ? "–" : token(row.affirmative)),
            bar(row.to_negator),
            bar(row.to_counterpart),
            bar(row.difference, "difference"),
          ),
        ),
      ),
    ),
  );
}
