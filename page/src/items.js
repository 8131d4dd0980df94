// All items of a section: searched, filtered, and brushed on the histogram of d.

import * as Plot from "@observablehq/plot";
import { bin, brushX, select } from "d3";
import { block } from "./blocks.js";
import { negationChoice } from "./choices.js";
import { choice, described, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { number } from "./format.js";
import { itemTable } from "./itemtable.js";
import { among } from "./state.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */

/** @param {Context} context */
export async function itemsView(context) {
  const { study, section, state, set, link } = context;
  const { items, pairs: columns } = await block(`${section.id}-items`);
  const pairs = rows(columns);
  const negation = among(state.negation, ["all", ...study.negations]);
  const segment = among(state.segment, ["all", ...study.segments]);
  const words = (state.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const matching = rows(items).filter((item) => {
    const pair = pairs[item.pair];
    const text = `${item.item_id} ${pair.negated} ${pair.affirmative}`.toLowerCase();
    return (
      (negation === "all" || item.negation === negation) &&
      (segment === "all" || item.segment === segment) &&
      words.every((word) => text.includes(word))
    );
  });
  const [from, to] = [bound(state.from, -Infinity), bound(state.to, Infinity)];
  const found = matching.filter((item) => item.d >= from && item.d <= to);
  const search = h("input", {
    type: "search",
    name: "text",
    value: state.text ?? "",
    placeholder: "word in a sentence or id",
    change: () => set({ text: search.value }),
  });
  const controls = h(
    "div",
    { class: "controls" },
    h("label", { class: "choice" }, h("span", {}, "Search"), search),
    negationChoice(context, negation),
    choice("Items", ["all", ...study.segments], segment, (value) => set({ segment: value }), "segment"),
    Number.isFinite(from) || Number.isFinite(to)
      ? h(
          "button",
          { type: "button", click: () => set({ from: "", to: "" }) },
          `d from ${number(from)} to ${number(to)}: show all`,
        )
      : null,
  );
  const picture = histogram(matching, [from, to], (range) =>
    set(range ? { from: range[0].toFixed(2), to: range[1].toFixed(2) } : { from: "", to: "" }),
  );
  return h(
    "div",
    {},
    controls,
    framed({
      name: `${section.id}_d`,
      picture,
      caption: [`${matching.length} items by d = S(caption) − S(foil); an item is right where d is above 0. Drag over the bars to choose a range.`],
      data: matching.map(({ item_id, negation, segment, d }) => ({ item_id, negation, segment, d })),
      files: [`${section.folder}/segments.parquet`],
      link: link(),
    }),
    h("p", { class: "count", role: "status" }, `${found.length} of ${items.item_id.length} items`),
    itemTable(context, found, {
      sort: "d",
      columns: ["negation", "d", "segment", "caption_foil_similarity", "n_tokens", "subject_area"],
      pairs,
    }),
  );
}

/** @param {string | undefined} text @param {number} otherwise */
function bound(text, otherwise) {
  return text === undefined || text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text);
}

/**
 * @param {import("./tables.js").Row[]} items @param {[number, number]} chosen
 * @param {(range: [number, number] | null) => void} brushed
 */
function histogram(items, chosen, brushed) {
  const width = room(900);
  const [height, bottom, top] = [190, 38, 24];
  const bins = bin().thresholds(50)(items.map((item) => item.d));
  const bars = (/** @type {any[]} */ shown, /** @type {string} */ fill) =>
    Plot.rectY(
      bins.map(({ x0 = 0, x1 = 0 }, at) => ({
        x0,
        x1,
        count: shown.filter(({ d }) => d >= x0 && (d < x1 || at === bins.length - 1)).length,
      })),
      { x1: "x0", x2: "x1", y: "count", fill, insetLeft: 0.5, insetRight: 0.5 },
    );
  const inside = (/** @type {any} */ item) => item.d >= chosen[0] && item.d <= chosen[1];
  const plot = /** @type {SVGSVGElement & {scale: (name: string) => any}} */ (
    Plot.plot({
      width,
      height,
      marginBottom: bottom,
      marginTop: top,
      x: { label: "d, logits", labelAnchor: "center", labelArrow: "none", nice: true },
      y: { label: "items", labelArrow: "none", ticks: 4 },
      marks: [
        bars(items, "var(--line)"),
        bars(items.filter(inside), "var(--accent)"),
        Plot.ruleX([0], { stroke: "var(--ink)" }),
        Plot.ruleY([0]),
      ],
    })
  );
  described(plot, "Histogram of d");
  if (items.length > 1) {
    const scale = plot.scale("x");
    const brush = brushX()
      .extent([
        [scale.range[0], top],
        [scale.range[1], height - bottom],
      ])
      .on("end", ({ selection, sourceEvent }) => {
        if (sourceEvent) brushed(selection ? selection.map(scale.invert) : null);
      });
    select(plot).append("g").attr("class", "brush").call(/** @type {any} */ (brush));
  }
  return plot;
}
