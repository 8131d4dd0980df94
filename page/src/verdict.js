// The verdict's maps: to be moved over, and every cell a way into the explorer.

import { h } from "./dom.js";
import { number } from "./format.js";
import { drawn } from "./grid.js";
import { address } from "./state.js";
import { capital, cellName, siteAndDirection } from "./study.js";

/**
 * Draw a map that the page came with as a table.
 * @param {HTMLElement} figure @param {import("./study.js").Study} study
 */
export function verdictMap(figure, study) {
  const { section = "0", sweep = "" } = figure.dataset;
  const { dataset, model, wording, small } = study.sections[Number(section)];
  const { by, rows, layers, values, sure } = small[sweep];
  const [site, direction] = siteAndDirection(sweep);
  const caption = figure.querySelector("caption")?.textContent ?? "";
  const about = (/** @type {number} */ row, /** @type {number} */ column) =>
    `${capital(cellName(study, site, layers[column], rows[row]))}: ${number(values[row][column])}`;
  const said = h("p", { "aria-live": "polite" }, "A cell opens the explorer.");
  const picture = drawn({
    label: caption,
    rows: by === "head" ? rows.map((row) => `head ${row}`) : rows,
    columns: layers,
    rowLabel: by,
    columnLabel: study.sites[site].states ? "hidden state" : "block",
    value: (row, column) => values[row][column],
    sure: (row, column) => sure[row][column],
    about,
    limit: 1,
    width: figure.clientWidth,
    shown: (row, column) => (said.textContent = about(row, column)),
    chosen: (row, column) => {
      location.hash = address({ dataset, model, wording, view: "map", site, direction, cell: `${layers[column]}.${rows[row]}` });
    },
  });
  figure.replaceChildren(h("div", { class: "wide" }, picture), h("figcaption", {}, h("p", {}, caption), said));
}
