// What was patched, a cell of a map or an edge: all its numbers, and the items that they are of.

import * as Plot from "@observablehq/plot";
import { block } from "./blocks.js";
import { described, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { interval, number, percent, probability } from "./format.js";
import { itemTable } from "./itemtable.js";
import { cellName, effectOf } from "./study.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {import("./tables.js").Row} Row */

/**
 * What the tables say of it.
 * @param {Context} context @param {string} name in words @param {Row} row
 * @returns {Node[]}
 */
export function details({ study }, name, row) {
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
  const facts = [
    row.known
      ? fact("By definition", number(row.ratio), "known", "nothing was computed")
      : effectOf(row, "ratio") !== null
        ? fact("Ratio of means", number(row.ratio, 3), "ratio", limits("ratio"))
        : fact("Ratio of means", "none", "ratio", "the mean effect may be 0"),
    fact("Mean of ratios", number(row.mean, 3), "mean", limits("mean")),
    fact("Change of the score", number(row.difference), "difference", `logits ${limits("difference")}`),
    fact("Items that change class", percent(row.flip_rate), "flip_rate"),
    fact(`p, family-wise ${row.sender ? "over all edges" : "in this map"}`, probability(row.p_fwer), "p_fwer"),
    fact("p, over all maps of the model", probability(row.p_study), "p_study"),
    fact("q, false discovery rate", probability(row.q_fdr), "q_fdr"),
    fact("Placebo's change", number(row.placebo_difference_donor), "difference_donor", "logits"),
    fact("Beyond its placebo, family-wise", { true: "yes", false: "no" }[String(row.exceeds_placebo)] ?? "–", "exceeds_placebo"),
    fact("Beyond the placebo", number(row.placebo_beyond), "beyond", `logits ${limits("placebo_beyond")}; p ${probability(row.placebo_p_fwer)}`),
    fact("From another pair", number(row.transfer_share), "share", `of the effect ${limits("transfer_share")}`),
    fact("Rank by ratio of means", String(row.rank ?? "–"), "rank", interval(row.rank_ci_low, row.rank_ci_high, String)),
    fact("Pairs of the same sign", percent(row.same_sign), "same_sign"),
    fact("Items", String(row.n_items ?? "–"), "n_items"),
    fact("Distinct pairs", String(row.n_pairs ?? "–"), "n_pairs"),
    fact("Clusters of pairs", String(row.n_clusters ?? "–"), "n_clusters", row.n_effective ? `worth ${number(row.n_effective, 0)} of equal size` : ""),
  ];
  return [
    h("h3", {}, name),
    h("dl", { class: "facts" }, ...facts),
  ];
}

/**
 * @typedef {object} Patched what of the study's items is shown
 * @property {string} name in words
 * @property {string} id of files
 * @property {string} table of the run that holds its values
 * @property {(number | null)[] | null} changes of every item's score, in steps; of none: all are 0; null:
 *   the page has none
 * @property {string[]} heads that it is about, as block.head
 * @property {string} negation
 * @property {string} segment
 * @property {string} effect
 */

/**
 * The items of what is pinned: a strip of their values, and their table sorted by them.
 * @param {Context} context @param {Patched} patched @param {Row} row its numbers
 */
export async function items(context, patched, row) {
  const { study, section, set } = context;
  const { name, changes, negation, segment } = patched;
  if (changes === null)
    return h("p", { class: "soft" }, `Its items are in ${section.folder}/${patched.table}.parquet: the page has those of the strongest alone.`);
  const [known, { per_logit }] = await Promise.all([block(`${section.id}-items`), block(`${section.id}-values`)]);
  const unit = study.effects.find(([effect]) => effect === patched.effect)?.[2] ? "restoration" : "change";
  const found = rows(known.items)
    .map((item, number) => /** @type {Row} */ ({ ...item, change: changes.length ? changes[number] : 0 }))
    .filter(
      (item) =>
        item.change !== null &&
        (negation === "all" || item.negation === negation) &&
        (segment === "all" || item.segment === segment),
    )
    .map((item) => ({
      ...item,
      change: item.change / per_logit,
      restoration: item.d === 0 ? null : item.change / per_logit / item.d,
    }));
  return h(
    "div",
    { class: "items-of-cell" },
    h("h3", {}, `${name}: its ${found.length} items`),
    patched.heads.length > 0 &&
      section.attention &&
      h(
        "p",
        { class: "tools" },
        ...patched.heads.map((head) =>
          h(
            "button",
            { type: "button", click: () => set({ view: "attention", head }) },
            `Attention of ${cellName(study, "head", ...blockAndHead(head))}`,
          ),
        ),
      ),
    strip(context, found, unit, patched, row),
    itemTable(context, found, {
      sort: unit,
      columns: ["negation", "d", "segment", "change", "restoration"],
      pairs: rows(known.pairs),
    }),
  );
}

/** @param {string} name block.head @returns {[number, number]} */
function blockAndHead(name) {
  const [block, head] = name.split(".").map(Number);
  return [block, head];
}

/**
 * @param {Context} context @param {Row[]} items @param {string} unit
 * @param {Patched} patched @param {Row} row
 */
function strip({ study, section, link }, items, unit, { name, id, table, effect }, row) {
  const given = items.filter((item) => item[unit] !== null);
  const low = -0.5;
  const high = 1.5;
  const clipped = unit === "restoration";
  const inside = clipped ? given.filter((item) => item[unit] >= low && item[unit] <= high) : given;
  const beyond = given.length - inside.length;
  const mean = unit === "change" ? row.difference : effectOf(row, effect);
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
    name: `${section.id}_${id}_items`,
    picture,
    caption: [
      `${name}: a point per item, by ${section.words.negationIn}` +
      (mean === null ? ". " : `; the line is the map's ${unit === "change" ? "mean" : effect === "mean" ? "mean of ratios" : "ratio of means"}.`) +
      (beyond ? ` ${beyond} of ${given.length} items lie beyond the axis.` : ""),
    ],
    data: given.map(({ item_id, negation, segment, d, change, restoration }) => {
      return { item_id, negation, segment, d, change, restoration };
    }),
    files: [`${section.folder}/${table}.parquet`],
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
