// One cell of a map: all its numbers, and the items that they are of.

import * as Plot from "@observablehq/plot";
import { block } from "./blocks.js";
import { described, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { interval, number, percent, probability } from "./format.js";
import { itemTable } from "./itemtable.js";
import { capital, cellName } from "./study.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {import("./tables.js").Row} Row */

/**
 * What the tables say of a cell.
 * @param {Context} context @param {string} site @param {Row} row @param {string | number} label
 * @returns {Node[]}
 */
export function details({ study }, site, row, label) {
  const fact = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ column, note = "") =>
    value === "–"
      ? null
      : h(
          "div",
          {},
          h("dt", { title: study.about[column] }, name),
          h("dd", {}, value, note && h("small", {}, ` ${note}`)),
        );
  const limits = (/** @type {string} */ name) => interval(row[`${name}_ci_low`], row[`${name}_ci_high`]);
  const bounded = row.ratio_ci_low !== null && row.ratio_ci_low !== undefined;
  const facts = [
    row.known
      ? fact("By definition", number(row.ratio), "known", "nothing was computed")
      : bounded
        ? fact("Ratio of means", number(row.ratio, 3), "ratio", limits("ratio"))
        : fact("Ratio of means", "none", "ratio", "the mean effect may be 0"),
    fact("Mean of ratios", number(row.mean, 3), "mean", limits("mean")),
    fact("Change of the score", number(row.difference), "difference", `logits ${limits("difference")}`),
    fact("Items that change class", percent(row.flip_rate), "flip_rate"),
    fact("p, family-wise in this map", probability(row.p_fwer), "p_fwer"),
    fact("p, over all maps of the model", probability(row.p_study), "p_study"),
    fact("q, false discovery rate", probability(row.q_fdr), "q_fdr"),
    fact("Placebo's change", number(row.placebo_difference_donor), "difference_donor", "logits"),
    fact("Beyond the placebo", number(row.placebo_beyond), "beyond", `logits ${limits("placebo_beyond")}; p ${probability(row.placebo_p_fwer)}`),
    fact("From another pair", number(row.transfer_share), "share", `of the effect ${limits("transfer_share")}`),
    fact("Rank by ratio of means", String(row.rank ?? "–"), "rank", interval(row.rank_ci_low, row.rank_ci_high, String)),
    fact("Pairs of the same sign", percent(row.same_sign), "same_sign"),
    fact("Items", String(row.n_items ?? "–"), "n_items"),
    fact("Distinct pairs", String(row.n_pairs ?? "–"), "n_pairs"),
    fact("Clusters of pairs", String(row.n_clusters ?? "–"), "n_clusters", row.n_effective ? `worth ${number(row.n_effective, 0)} of equal size` : ""),
  ];
  return [
    h("h3", {}, capital(cellName(study, site, row.layer, label))),
    h("dl", { class: "facts" }, ...facts),
  ];
}

/**
 * The items of a pinned cell: a strip of their values, and their table sorted by them.
 * @param {Context} context @param {{sweep: string, negation: string, segment: string, effect: string}} chosen
 * @param {Row} row @param {string | number} label
 */
export async function items(context, chosen, row, label) {
  const { study, section, set } = context;
  const [known, values] = await Promise.all([
    block(`${section.id}-items`),
    block(`${section.id}-values`),
  ]);
  const of = values[chosen.sweep];
  const at = rows(of.cells).findIndex(
    (cell) =>
      cell.layer === row.layer &&
      (typeof label === "number" ? cell.head === label : cell.role === label),
  );
  const changes = at < 0 ? [] : of.changes[at];
  const unit = study.effects.find(([name]) => name === chosen.effect)?.[2] ? "restoration" : "change";
  const name = capital(cellName(study, chosen.sweep.split(".")[0], row.layer, label));
  const found = rows(known.items)
    .map((item, number) => /** @type {Row} */ ({ ...item, change: changes.length ? changes[number] : 0 }))
    .filter(
      (item) =>
        item.change !== null &&
        (chosen.negation === "all" || item.negation === chosen.negation) &&
        (chosen.segment === "all" || item.segment === chosen.segment),
    )
    .map((item) => ({
      ...item,
      change: item.change / values.per_logit,
      restoration: item.d === 0 ? null : item.change / values.per_logit / item.d,
    }));
  const head = typeof label === "number";
  return h(
    "div",
    { class: "items-of-cell" },
    h("h3", {}, `${name}: its ${found.length} items`),
    head &&
      section.attention &&
      h(
        "p",
        {},
        h(
          "button",
          { type: "button", click: () => set({ view: "attention", head: `${row.layer}.${label}` }) },
          `Attention of ${cellName(study, "head", row.layer, label)}`,
        ),
      ),
    strip(context, found, unit, name, chosen, row),
    itemTable(context, found, {
      sort: unit,
      columns: ["negation", "d", "segment", "change", "restoration"],
      pairs: rows(known.pairs),
    }),
  );
}

/**
 * @param {Context} context @param {Row[]} items @param {string} unit @param {string} name
 * @param {{sweep: string, effect: string}} chosen @param {Row} row
 */
function strip({ study, section, link }, items, unit, name, chosen, row) {
  const given = items.filter((item) => item[unit] !== null);
  const low = -0.5;
  const high = 1.5;
  const clipped = unit === "restoration";
  const inside = clipped ? given.filter((item) => item[unit] >= low && item[unit] <= high) : given;
  const beyond = given.length - inside.length;
  const mean = unit === "change" ? row.difference : chosen.effect === "mean" ? row.mean : row.ratio;
  const placed = inside.map((item, number) => ({ ...item, at: height(study, item, number) }));
  const picture = /** @type {SVGSVGElement} */ (
    Plot.plot({
      width: room(900),
      height: 150,
      marginLeft: 64,
      marginBottom: 38,
      x: {
        label: unit === "change" ? "change of the item's score, logits" : "share of the item's effect that comes back",
        labelAnchor: "center",
        labelArrow: "none",
        domain: clipped ? [low, high] : undefined,
        nice: true,
      },
      y: { label: null, domain: [1.5, -0.5], ticks: [0, 1], tickFormat: (at) => study.negations[at], tickSize: 0 },
      marks: [
        Plot.ruleX([0], { stroke: "var(--line)" }),
        Plot.dot(placed, { x: unit, y: "at", r: 2.6, fill: "var(--accent)", fillOpacity: 0.45 }),
        Plot.ruleX(mean === null || mean === undefined ? [] : [mean], { stroke: "var(--ink)", strokeWidth: 1.5 }),
        Plot.tip(
          placed,
          Plot.pointer({
            x: unit,
            y: "at",
            fill: "var(--paper)",
            stroke: "var(--line)",
            title: (item) => `${item.item_id}\n${number(item[unit], 3)}; d ${number(item.d)}`,
          }),
        ),
      ],
    })
  );
  described(picture, `${name}: value of each item, by where the ${section.words.negation} is`);
  return framed({
    name: `${section.id}_${chosen.sweep}_${row.layer}.${row.head ?? row.role}_items`,
    picture,
    caption: [
      `${name}: a point per item, by ${section.words.negationIn}; the line is the map's ` +
      `${unit === "change" ? "mean" : chosen.effect === "mean" ? "mean of ratios" : "ratio of means"}.` +
      (beyond ? ` ${beyond} of ${given.length} items lie beyond the axis.` : ""),
    ],
    data: given.map(({ item_id, negation, segment, d, change, restoration }) => {
      return { item_id, negation, segment, d, change, restoration };
    }),
    files: [`${section.folder}/sweep.${chosen.sweep}.parquet`],
    link: link(),
  });
}

/**
 * Where an item's point lies: in the row of its negation, spread evenly, and always alike.
 * @param {import("./study.js").Study} study @param {Row} item @param {number} number
 */
function height(study, item, number) {
  return study.negations.indexOf(item.negation) + 0.7 * (((number * 0.618033988749895) % 1) - 0.5);
}
