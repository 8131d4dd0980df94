// The models of a study beside one another: size, depth, heads, and what fine-tuning changed.

import * as Plot from "@observablehq/plot";
import { choice, described, h, room } from "./dom.js";
import { framed } from "./figure.js";
import { interval, number } from "./format.js";
import { drawn } from "./grid.js";
import { siteAndDirection } from "./study.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Study} Study */
/** @typedef {import("./tables.js").Row} Row */

const LINK = "#models";
const MOST_NAMED = 12;

/** @param {HTMLElement} root @param {Study} study with an atlas */
export function models(root, study) {
  const atlas = /** @type {import("./study.js").Atlas} */ (study.atlas);
  const table = rows(atlas.rows);
  const matches = rows(atlas.matches);
  const name = (/** @type {Row} */ row) => [row.dataset, row.wording, row.direction].join(", ");
  const groups = [...new Set(table.map(name))];
  let group = groups[0];

  function draw() {
    const of = table.filter((row) => name(row) === group);
    const { dataset, wording, direction } = of[0];
    const changed = atlas.differences.filter(
      (one) => one.dataset === dataset && one.wording === wording && siteAndDirection(one.sweep)[1] === direction,
    );
    root.replaceChildren(
      h("div", { class: "controls" }, choice("Dataset, wording, direction", groups, group, (value) => ((group = value), draw()), "models")),
      h("div", { class: "side even" }, size(of), depths(of)),
      h("div", { class: "side even" }, heads(of), matched(matches.filter((row) => name(row) === group), of)),
      ...(changed.length
        ? [h("h3", {}, "Fine-tuned against base"), h("div", { class: "side even" }, ...changed.map(difference))]
        : []),
    );
  }
  draw();
}

/** @param {Row[]} of @param {string} name */
function files(of, name) {
  return [`results/${of[0].dataset}/{model}/${of[0].wording}/${name}.parquet`];
}

/** Items and pairs of each model. @param {Row[]} of */
function counted(of) {
  const range = (/** @type {string} */ name) => {
    const counts = of.map((row) => row[name]);
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    return least === most ? least : `${least} to ${most}`;
  };
  return `${range("n_items")} items, ${range("n_pairs")} pairs`;
}

const CENTRE = /** @type {const} */ ({ labelAnchor: "center", labelArrow: "none" });

/** @param {Row[]} of @param {any} x @param {any} y @param {(row: Row) => string} title */
function tip(of, x, y, title) {
  return Plot.tip(of, Plot.pointer({ x, y, title, fill: "var(--paper)", stroke: "var(--line)" }));
}

/** @param {Row[]} of */
function size(of) {
  const known = of.filter((row) => row.parameters);
  if (!known.length) return h("p", { class: "notice" }, "No model says how large it is.");
  const ends = known.map((row) => row.parameters / 1e6);
  const picture = /** @type {SVGSVGElement} */ (
    Plot.plot({
      width: room(460),
      height: 300,
      marginLeft: 48,
      marginBottom: 42,
      x: { type: "log", label: "parameters, millions", domain: [Math.min(...ends) / 1.6, Math.max(...ends) * 2], ticks: 4, tickFormat: (at) => String(Number(at.toPrecision(2))), ...CENTRE },
      y: { label: "accuracy", domain: [0, 1], grid: true, ticks: 5, ...CENTRE },
      marks: [
        Plot.ruleY([0.5], { stroke: "var(--soft)", strokeDasharray: "3 3" }),
        Plot.ruleX(known, { x: (row) => row.parameters / 1e6, y1: "accuracy_ci_low", y2: "accuracy_ci_high", stroke: "var(--accent)" }),
        Plot.dot(known, { x: (row) => row.parameters / 1e6, y: "accuracy", r: 4, fill: "var(--accent)" }),
        Plot.text(named(known), { x: (row) => row.parameters / 1e6, y: "accuracy", text: "names", dx: 8, textAnchor: "start", fill: "var(--soft)" }),
        tip(known, (/** @type {Row} */ row) => row.parameters / 1e6, "accuracy", (row) =>
          `${row.model}\n${number(row.parameters / 1e6, 1)} M, accuracy ${number(row.accuracy)}\n${interval(row.accuracy_ci_low, row.accuracy_ci_high)}`),
      ],
    })
  );
  const best = known.reduce((one, other) => (other.accuracy > one.accuracy ? other : one));
  described(picture, `Accuracy of ${known.length} models by their size; highest ${best.model}, ${number(best.accuracy)}`);
  return framed({
    name: "models_accuracy",
    title: "Accuracy against size",
    picture,
    caption: [`Share of items with d above 0 (${counted(of)}), against all parameters of the model (logarithmic); bars are intervals over clusters of pairs, the line is chance.`],
    data: of.map(({ model, parameters, accuracy, accuracy_ci_low, accuracy_ci_high, n_items }) => ({ model, parameters, accuracy, accuracy_ci_low, accuracy_ci_high, n_items })),
    files: files(of, "atlas"),
    link: LINK,
  });
}

/**
 * Names beside points, those of one place together; none where there are too many to be read.
 * @param {Row[]} of
 */
function named(of) {
  if (of.length > MOST_NAMED) return [];
  const place = (/** @type {Row} */ row) => `${row.parameters.toPrecision(2)} ${row.accuracy.toFixed(2)}`;
  return [...new Set(of.map(place))].map((at) => {
    const here = of.filter((row) => place(row) === at);
    return { ...here[0], names: here.map((row) => row.model).join("\n") };
  });
}

/**
 * A row for each model with points and intervals.
 * @param {Row[]} of @param {[string, string, boolean][]} quantities column, colour, whether filled
 * @param {any} x @param {string} unit
 */
function dotted(of, quantities, x, unit) {
  const names = of.map((row) => row.model);
  const left = 16 + 7.2 * Math.min(22, Math.max(...names.map((name) => name.length)));
  const points = quantities.flatMap(([column, colour, filled]) =>
    of
      .filter((row) => row[column] !== null)
      .map((row) => ({ model: row.model, value: row[column], low: row[`${column}_ci_low`], high: row[`${column}_ci_high`], colour, filled })),
  );
  return /** @type {SVGSVGElement} */ (
    Plot.plot({
      width: room(460),
      height: 60 + Math.max(2, names.length) * 26,
      marginLeft: left,
      marginBottom: 42,
      r: { type: "identity" },
      x: { grid: true, ...CENTRE, ...x },
      y: { label: null, domain: names, type: "point", padding: 0.6, tickSize: 0, tickFormat: (name) => (name.length > 22 ? `${name.slice(0, 21)}…` : name) },
      marks: [
        Plot.ruleY(points.filter(({ low }) => low !== null), { y: "model", x1: "low", x2: "high", stroke: "colour", strokeWidth: 2 }),
        Plot.dot(points, { x: "value", y: "model", r: (row) => (row.filled ? 4 : 6), fill: (row) => (row.filled ? row.colour : "var(--paper)"), stroke: "colour", strokeWidth: 2 }),
        tip(points, "value", "model", (row) => `${row.model}\n${number(row.value)} ${unit}\n${interval(row.low, row.high)}`),
      ],
    })
  );
}

/** @param {Row[]} of */
function depths(of) {
  const picture = dotted(of, [["leaves", "var(--soft)", false], ["arrives", "var(--accent)", true]], { label: "fraction of all blocks", domain: [0, 1] }, "of the depth");
  const known = of.filter((row) => row.arrives !== null);
  described(picture, `Depth of the hand-over: ${known.map((row) => `${row.model} ${number(row.arrives)}`).join(", ") || "none can be given"}`);
  return framed({
    name: "models_depth",
    title: "Depth of the hand-over",
    picture,
    caption: [`Where half of the effect is off the word that differs (open) and where half is at EOT (filled), with intervals over clusters of pairs; ${counted(of)}. No point: no share of the effect can be given.`],
    data: of.map(({ model, layers, leaves, leaves_ci_low, leaves_ci_high, arrives, arrives_ci_low, arrives_ci_high, n_items }) => ({ model, layers, leaves, leaves_ci_low, leaves_ci_high, arrives, arrives_ci_low, arrives_ci_high, n_items })),
    files: files(of, "atlas"),
    link: LINK,
  });
}

/** @param {Row[]} of */
function heads(of) {
  const known = of.filter((row) => row.effective_heads !== null);
  const most = Math.max(2, ...known.map((row) => row.effective_heads_ci_high ?? row.effective_heads));
  const picture = dotted(of, [["effective_heads", "var(--accent)", true]], { label: "effective number of heads", domain: [0, most * 1.05] }, "heads");
  described(picture, `Effective number of heads: ${known.map((row) => `${row.model} ${number(row.effective_heads)} of ${row.n_heads}`).join(", ") || "none can be given"}`);
  return framed({
    name: "models_heads",
    title: "Concentration over heads",
    picture,
    caption: [`Over how many heads the effect is spread, with intervals over clusters of pairs; ${counted(of)}.`],
    data: of.map(({ model, n_heads, effective_heads, effective_heads_ci_low, effective_heads_ci_high, n_items }) => ({ model, n_heads, effective_heads, effective_heads_ci_low, effective_heads_ci_high, n_items })),
    files: files(of, "atlas"),
    link: LINK,
  });
}

/** @param {Row[]} found @param {Row[]} of */
function matched(found, of) {
  if (!found.length)
    return h("div", {}, h("h3", {}, "Heads by function"), h("p", { class: "soft" }, "No head of the first model restores enough to be looked for in the others, or no share of their effect can be given."));
  const place = (/** @type {Row} */ row) => `${row.reference_layer}.${row.reference_head}`;
  const columns = [...new Set(found.map(place))];
  const names = [...new Set(found.map((row) => row.model))];
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    found.find((one) => one.model === names[row] && place(one) === columns[column]);
  const sure = (/** @type {Row | undefined} */ one) => one !== undefined && one.mutual && one.share >= 0.95;
  const picture = drawn({
    label: `Heads of ${names.length} models that do the same as heads ${columns.join(", ")} of ${found[0].reference}`,
    rows: names,
    columns,
    rowLabel: "model",
    columnLabel: `head of ${found[0].reference} (block.head)`,
    value: (row, column) => at(row, column)?.identity ?? null,
    sure: (row, column) => sure(at(row, column)),
    written: (row, column) => `${at(row, column)?.layer}.${at(row, column)?.head}`,
    about: (row, column) => {
      const one = at(row, column);
      return one ? `${columns[column]}: head ${one.head} of block ${one.layer} of ${names[row]}, identity ${number(one.identity)}` : "–";
    },
    limit: 1,
    width: room(460),
  });
  return framed({
    name: "models_matches",
    title: "Heads by function",
    picture,
    caption: [
      `Which head of each model has the profile (restoration, attention to the negator by token) most like that of a head of ${found[0].reference}; colour: coefficient of identity, −1 to 1. ` +
      `Small: not mutual, or the same in fewer than 95% of resampled clusters. ${counted(of)}.`,
    ],
    data: found.map(({ reference, reference_layer, reference_head, model, layer, head, identity, identity_ci_low, identity_ci_high, second, share, mutual, n_items }) => ({ reference, reference_layer, reference_head, model, layer, head, identity, identity_ci_low, identity_ci_high, second, share, mutual: String(mutual), n_items })),
    files: files(of, "head_matches"),
    link: LINK,
  });
}

/** @param {import("./study.js").Difference} one */
function difference({ dataset, wording, model, base, sweep, small, said }) {
  const cells = small.rows.flatMap((row, line) =>
    small.layers.map((layer, column) => ({ layer, [small.by]: row, difference: small.values[line][column], sure: String(small.sure[line][column]) })),
  );
  return framed({
    name: `${dataset}_${model}_${base}_${sweep}`,
    title: `${model} minus ${base}, ${sweep.split(".")[0]}`,
    picture: drawn({
      label: said,
      rows: small.rows,
      columns: small.layers,
      rowLabel: small.by,
      columnLabel: "layer",
      value: (row, column) => small.values[row][column],
      sure: (row, column) => small.sure[row][column],
      about: (row, column) => `${small.rows[row]} in layer ${small.layers[column]}: ${number(small.values[row][column])}`,
      limit: 1,
      width: room(520),
    }),
    caption: [`Ratio of means of ${model} minus that of ${base} over the items that both read, clusters paired; small squares do not differ from 0. ${said}`],
    data: cells,
    files: [`results/${dataset}/${model}/${wording}/base_difference.parquet`],
    link: LINK,
  });
}
