// The circuit: which component acts through which, and what is known of the edge that is pinned.

import { block } from "./blocks.js";
import { details, items } from "./cell.js";
import { effectChoice, negationChoice } from "./choices.js";
import { sortable } from "./compare.js";
import { choice, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { interval, number, probability } from "./format.js";
import { byName, graph } from "./graph.js";
import { among } from "./state.js";
import { effectOf } from "./study.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {import("./tables.js").Row} Row */

const MOST_DRAWN = 60;
const BESIDE = 540; // widest drawing that what is known of an edge stands beside, in pixels

/** Which edges are drawn: name, in words, test. @type {[string, string, (row: Row, alpha: number) => boolean][]} */
const CHOICES = [
  ["strong", "the strong ones", (row) => row.kept],
  ["significant", "all that differ from 0", (row, alpha) => row.p_fwer !== null && row.p_fwer <= alpha],
  ["tested", "all", () => true],
];

/** @param {Row} row */
const keyOf = (row) => `${row.sender}>${row.receiver}@${row.role}`;

/** @param {Context} context */
export async function circuitView(context) {
  const { study, section, state, set } = context;
  const known = await block(`${section.id}-edges`);
  const all = rows(known.edges);
  const directions = [...new Set(all.map((row) => row.direction))];
  const effects = study.effects.map(([name]) => name).filter((name) => name in known.edges);
  const chosen = {
    direction: among(state.direction, directions),
    negation: among(state.negation, ["all", ...study.negations]),
    effect: among(state.effect, effects),
    edges: among(state.edges, CHOICES.map(([name]) => name)),
  };
  const of = CHOICES.find(([name]) => name === chosen.edges) ?? CHOICES[0];
  const table = all
    .filter((row) => row.direction === chosen.direction && row.negation === chosen.negation && of[2](row, study.alpha))
    .sort((one, other) => Math.abs(other.difference) - Math.abs(one.difference));
  const components = [...new Set(table.flatMap((row) => [row.sender, row.component]))].sort(byName);
  const component = among(state.component, ["", ...components]);
  const through = table.filter((row) => !component || row.sender === component || row.component === component);
  const controls = h(
    "div",
    { class: "controls" },
    choice("Direction", directions, chosen.direction, (direction) => set({ direction }), "direction"),
    negationChoice(context, chosen.negation),
    choice("Edges", CHOICES.map(([name, label]) => [name, label]), chosen.edges, (edges) => set({ edges, component: "" }), "edges"),
    choice(
      "Into or out of",
      [["", "any component"], ...components.map((name) => /** @type {[string, string]} */ ([name, name]))],
      component,
      (name) => set({ component: name }),
      "component",
    ),
    effectChoice(context, effects, chosen.effect),
  );
  if (!through.length)
    return h("div", {}, controls, h("p", { class: "notice" }, "There is no such edge here: choose others above."));
  return h("div", {}, controls, await body(context, known, chosen, through));
}

/**
 * @param {Context} context @param {any} known of the block
 * @param {{direction: string, negation: string, effect: string, edges: string}} chosen
 * @param {Row[]} table the strongest first
 */
async function body(context, known, chosen, table) {
  const { study, section, state, set, link } = context;
  const { direction, negation, effect } = chosen;
  const shown = table.slice(0, MOST_DRAWN);
  const label = study.effects.find(([name]) => name === effect)?.[1] ?? effect;
  const name = (/** @type {Row} */ row) => {
    const whole = ["mlp", "read-out", "head"].includes(row.reads);
    return `From ${row.sender} into ${whole ? "" : `the ${known.reads[row.reads]} of `}${row.component}, at ${row.role}`;
  };
  const pin = (/** @type {string} */ key) => set({ edge: key === state.edge ? "" : key });
  const pinned = shown.find((row) => keyOf(row) === state.edge);
  const panel = h("div", { class: "panel", "aria-live": "polite" });
  const show = (/** @type {string} */ key) => {
    const row = shown.find((one) => keyOf(one) === key);
    if (row) panel.replaceChildren(...details(context, name(row), row));
  };
  show(keyOf(pinned ?? shown[0]));
  const picture = graph({
    label: `Edges by ${label}. ${known.said.join(" ")}`,
    arcs: shown.map((row) => ({
      key: keyOf(row),
      ...{ sender: row.sender, component: row.component, role: row.role, reads: row.reads },
      value: effectOf(row, effect) ?? 0,
      label: `${name(row)}: ${number(effectOf(row, effect))}`,
      weak: !row.kept,
    })),
    heights: known.heights,
    roles: study.roles,
    room: room(976),
    pinned: pinned ? keyOf(pinned) : "",
    shown: show,
    chosen: pin,
    picked: (component) => set({ component: component === state.component ? "" : component }),
  });
  const { n_items, n_pairs } = shown[0];
  const held = rows(known.edges).filter((row) => row.direction === direction && row.negation === negation).length;
  const tested = known.tested[direction];
  const figure = framed({
    name: [section.id, "edges", direction, negation, effect].join("_"),
    picture,
    caption: [
      `${shown.length} of ${tested} edges that were tested` +
      (held < tested ? ` (the page holds the ${held} strongest over both places; the table has all)` : "") +
      `, by ${label}, of ${n_items} items (${n_pairs} pairs): what a component writes, copied into what another one reads. Strong ones are ` +
      `significant, beyond their placebo and worth ${known.least} of d or more; dotted lines lead from where a ` +
      "head reads to where it writes.",
      ...known.said,
    ],
    data: table,
    files: [`${section.folder}/edge_map.parquet`],
    link: link(),
  });
  figure.querySelector(".wide")?.after(legend(shown, known.reads));
  const isWide = Number(picture.getAttribute("width")) > BESIDE;
  return h(
    "div",
    {},
    h("div", { class: isWide ? "over" : "side" }, figure, panel),
    listed(shown, name, pin),
    pinned
      ? await items(context, patched(known, chosen, pinned, name(pinned)), pinned)
      : h("p", { class: "soft" }, "Arrow keys move from edge to edge; Enter or a click pins one and opens its items. A click on a component leaves its own."),
  );
}

/**
 * An edge with the changes of its items.
 * @param {any} known
 * @param {{direction: string, negation: string, effect: string}} chosen @param {Row} row @param {string} name
 * @returns {import("./cell.js").Patched}
 */
function patched(known, { direction, negation, effect }, row, name) {
  return {
    name,
    id: `edge_${direction}_${keyOf(row).replaceAll(/[>@]/g, "_")}`,
    table: "edges",
    changes: row.changes === null ? null : known.changes[row.changes],
    heads: [row.sender, row.component].filter((one) => /^\d/.test(one)),
    segment: "all",
    ...{ negation, effect },
  };
}

/** @param {Row[]} shown @param {Record<string, string>} reads */
function legend(shown, reads) {
  const used = Object.entries(reads).filter(([name]) => shown.some((row) => row.reads === name));
  return h(
    "div",
    { class: "legend" },
    ...used.map(([name, words]) => h("span", {}, h("i", { class: `key line reads-${name}` }), `into ${words}`)),
    shown.some((row) => row.difference < 0) && h("span", {}, h("i", { class: "key line negative" }), "against the effect"),
    shown.some((row) => !row.kept) && h("span", {}, "faint: not strong"),
  );
}

/** An effect with its interval. @param {Row} row @param {string} effect */
function withLimits(row, effect) {
  const limits = interval(row[`${effect}_ci_low`], row[`${effect}_ci_high`]);
  return limits ? `${number(effectOf(row, effect))} (${limits})` : number(effectOf(row, effect));
}

/**
 * The edges as a table, to sort and to pin one.
 * @param {Row[]} shown @param {(row: Row) => string} name @param {(key: string) => void} pin
 */
function listed(shown, name, pin) {
  const value = (/** @type {number | null} */ one, /** @type {string} */ text) => h("td", { "data-value": one ?? "" }, text);
  const table = h(
    "table",
    {},
    h(
      "thead",
      {},
      h("tr", {}, ...["edge", "share of d", "change, logits", "p, family-wise", "placebo, logits"].map((head, at) => h("th", { scope: "col", class: at ? "" : "text" }, head))),
    ),
    h(
      "tbody",
      {},
      ...shown.map((row) =>
        h(
          "tr",
          {},
          h("th", { scope: "row", class: "text" }, h("button", { type: "button", name: `edge-${keyOf(row)}`, click: () => pin(keyOf(row)) }, name(row))),
          value(effectOf(row, "ratio"), withLimits(row, "ratio")),
          value(row.difference, withLimits(row, "difference")),
          value(row.p_fwer, probability(row.p_fwer)),
          value(row.placebo_difference_donor, number(row.placebo_difference_donor)),
        ),
      ),
    ),
  );
  sortable(table);
  return h("details", { class: "edges" }, h("summary", {}, `These ${shown.length} edges as a table`), h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Edges" }, table));
}
