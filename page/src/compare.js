// Sections beside one another: a table to sort, their maps in small on one scale, heads of two.

import * as Plot from "@observablehq/plot";
import { gradient } from "./colour.js";
import { choice, described, h, room } from "./dom.js";
import { framed, tools } from "./figure.js";
import { drawn } from "./grid.js";
import { number } from "./format.js";
import { address } from "./state.js";

/** @typedef {import("./study.js").Study} Study */
/** @typedef {import("./study.js").Section} Section */

/**
 * Let the headings of a table sort its rows; a control stays below what it is a control of.
 * @param {HTMLTableElement} table
 */
export function sortable(table) {
  const heads = [...table.tHead?.rows[0].cells ?? []];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = h("button", { type: "button", click: () => sort(column) }, ...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
  });
  /** @param {number} column */
  function sort(column) {
    const down = heads[column].getAttribute("aria-sort") === "descending";
    heads.forEach((head) => head.setAttribute("aria-sort", "none"));
    heads[column].setAttribute("aria-sort", down ? "ascending" : "descending");
    const key = (/** @type {HTMLTableRowElement} */ row) => row.cells[column].dataset.value ?? row.cells[column].textContent ?? "";
    /** @type {HTMLTableRowElement[][]} */
    const families = [];
    for (const row of body.rows)
      if (row.classList.contains("control") && families.length) families.at(-1)?.push(row);
      else families.push([row]);
    families.sort(([one], [other]) => {
      const [a, b] = [key(one), key(other)];
      if (a === "" || b === "") return Number(a === "") - Number(b === "");
      const numeric = a !== "" && b !== "" && !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
      const order = numeric ? Number(a) - Number(b) : a.localeCompare(b);
      return down ? order : -order;
    });
    body.append(...families.flat());
  }
}

/**
 * @param {HTMLElement} root @param {Study} study
 */
export function comparison(root, study) {
  const sweeps = [...new Set(study.sections.flatMap((section) => Object.keys(section.small)))];
  if (study.sections.length < 2 || !sweeps.length) return;
  let sweep = sweeps.find((name) => name.startsWith("head.")) ?? sweeps[0];
  let [across, up] = [0, 1];
  const small = h("div", { class: "multiples" });
  const taken = h("div");
  const scatter = h("div");
  const pick = h("div", { class: "controls" });
  const pair = h("div", { class: "controls" });

  function draw() {
    pick.replaceChildren(
      choice("Map", sweeps, sweep, (value) => ((sweep = value), draw()), "small-sweep"),
      h(
        "div",
        { class: "legend" },
        h("span", {}, "−1"),
        h("span", { class: "gradient", style: `background: ${gradient(1)}` }),
        h("span", {}, "1, ratio of means, all items; small squares do not differ from 0"),
      ),
    );
    small.replaceChildren(...study.sections.map((section) => multiple(study, section, sweep)));
    taken.replaceChildren(
      tools({
        name: `maps_${sweep}`,
        sheet: small,
        data: study.sections.flatMap((section) => cells(section, sweep)),
        files: [`results/{dataset}/{model}/{wording}/map.${sweep}.parquet`],
        link: "#compared",
      }),
    );
    const names = study.sections.map((section, at) => /** @type {[string, string]} */ ([String(at), section.heading]));
    pair.replaceChildren(
      choice("Across", names, String(across), (value) => ((across = Number(value)), draw()), "across"),
      choice("Up", names, String(up), (value) => ((up = Number(value)), draw()), "up"),
    );
    scatter.replaceChildren(beside(study, study.sections[across], study.sections[up], sweep));
  }
  draw();
  root.append(
    h("h3", {}, "Maps in small"),
    pick,
    small,
    taken,
    h("h3", {}, "Cell by cell"),
    pair,
    scatter,
  );
}

/** The cells of a section's map in small. @param {Section} section @param {string} sweep */
function cells({ dataset, model, wording, small }, sweep) {
  const found = small[sweep];
  return !found
    ? []
    : found.rows.flatMap((row, line) =>
        found.layers.map((layer, column) => ({
          ...{ dataset, model, wording, layer, [found.by]: row },
          ...{ ratio: found.values[line][column], sure: String(found.sure[line][column]) },
        })),
      );
}

/** @param {Study} study @param {Section} section @param {string} sweep */
function multiple(study, section, sweep) {
  const found = section.small[sweep];
  const [site, direction] = sweep.split(".");
  const { dataset, model, wording } = section;
  return h(
    "figure",
    { class: section.parent === null ? "multiple" : "multiple control" },
    found && found.values.some((line) => line.some((value) => value !== null))
      ? drawn({
          label: `${section.heading}: ${section.headline}`,
          rows: found.rows,
          columns: found.layers,
          rowLabel: found.by,
          columnLabel: "layer",
          value: (row, column) => found.values[row][column],
          sure: (row, column) => found.sure[row][column],
          limit: 1,
          width: Math.min(180, 22 * found.layers.length),
          small: true,
        })
      : h("p", { class: "soft" }, found ? "No share: the mean d may be 0." : "No such map."),
    h(
      "figcaption",
      {},
      h("a", { href: address({ dataset, model, wording, view: "map", site, direction }) }, section.heading),
    ),
  );
}

/** @param {Study} study @param {Section} one @param {Section} other @param {string} sweep */
function beside(study, one, other, sweep) {
  const [first, second] = [one.small[sweep], other.small[sweep]];
  if (!first || !second) return h("p", { class: "notice" }, "One of the two has no such map.");
  const data = first.rows.flatMap((row, line) =>
    first.layers.flatMap((layer, column) => {
      const [a, b] = [second.rows.indexOf(row), second.layers.indexOf(layer)];
      const [x, y] = [first.values[line][column], a < 0 || b < 0 ? null : second.values[a][b]];
      return x === null || y === null ? [] : [{ layer, [first.by]: row, across: x, up: y }];
    }),
  );
  const lacking = first.rows.length * first.layers.length - data.length;
  const ends = data.flatMap(({ across, up }) => [across, up]);
  const domain = [Math.min(-0.05, ...ends) - 0.02, Math.max(0.1, ...ends) + 0.02];
  const side = room(460);
  const picture = /** @type {SVGSVGElement} */ (
    Plot.plot({
      width: side,
      height: side,
      marginLeft: 50,
      marginBottom: 46,
      x: { domain, label: one.heading, labelAnchor: "center", labelArrow: "none", grid: true, ticks: 5 },
      y: { domain, label: other.heading, labelAnchor: "center", labelArrow: "none", grid: true, ticks: 5 },
      marks: [
        Plot.link([0], { x1: domain[0], y1: domain[0], x2: domain[1], y2: domain[1], stroke: "var(--soft)", strokeDasharray: "3 3" }),
        Plot.dot(data, { x: "across", y: "up", r: 3.5, fill: "var(--accent)", fillOpacity: 0.55 }),
        Plot.tip(
          data,
          Plot.pointer({
            x: "across",
            y: "up",
            fill: "var(--paper)",
            stroke: "var(--line)",
            title: (cell) => `${cell[first.by]} in layer ${cell.layer}\nacross ${number(cell.across)}, up ${number(cell.up)}`,
          }),
        ),
      ],
    })
  );
  described(picture, `Ratio of means of every cell: ${one.heading} against ${other.heading}`);
  return framed({
    name: `${one.id}_${other.id}_${sweep}`,
    picture,
    caption: [
      `Ratio of means of every ${first.by === "head" ? "head" : "token and layer"}, all items: ${one.heading} (across) against ${other.heading} (up). The line is equality.` +
      (lacking ? ` ${lacking} cells have no number in one of the two.` : ""),
    ],
    data,
    files: [one, other].map(({ folder }) => `${folder}/map.${sweep}.parquet`),
    link: "#compared",
  });
}
