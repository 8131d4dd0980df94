// A map as a grid of SVG: moved over with the arrow keys, pinned with Enter or a click.

import { s } from "./dom.js";
import { fill, inkOn } from "./colour.js";
import { number } from "./format.js";

/**
 * @typedef {object} Grid
 * @property {string} label what the grid is, for those who cannot see it
 * @property {(string | number)[]} rows
 * @property {(string | number)[]} columns
 * @property {string} rowLabel
 * @property {string} columnLabel
 * @property {(row: number, column: number) => number | null} value
 * @property {(row: number, column: number) => boolean} [sure] whether it differs from 0
 * @property {(row: number, column: number) => boolean} [known] whether it is so by definition
 * @property {(row: number, column: number) => string} [about] a cell in words
 * @property {(row: number, column: number) => string} [written] on a cell, in the place of its value
 * @property {(row: number, column: number) => (number | null)[][]} [inside] a cell's own small map
 * @property {number} limit of the colours
 * @property {number} [width] what there is to fill, in pixels
 * @property {boolean} [small] without labels and keys
 * @property {[number, number] | null} [pinned]
 * @property {(row: number, column: number) => void} [shown] a cell is pointed at
 * @property {(row: number, column: number) => void} [chosen] a cell is pinned
 */

const SMALLEST = { width: 16, height: 18 };
const LARGEST = { width: 58, height: 34 };
const LARGEST_INSIDE = 88; // of a cell with a map of its own, which is square
const NUMBERED = 34; // from this width on cells hold their number
const FAINT = 0.04; // of the limit: what is less is not drawn in a cell's own map
const LETTER = 7; // what a letter of a label takes, in pixels
const UNSURE = 0.42; // of a cell's side: the square of a value that does not differ from 0

/**
 * @param {Grid} grid @returns {SVGSVGElement}
 */
export function drawn(grid) {
  const { rows, columns, small = false, width: room = 560 } = grid;
  const longest = (/** @type {(string | number)[]} */ labels) => LETTER * Math.max(...labels.map((label) => String(label).length));
  const left = small ? 0 : 18 + longest(rows);
  const top = small ? 0 : 4;
  const fitting = Math.floor((room - left) / Math.max(1, columns.length));
  const width = small ? fitting : Math.min(grid.inside ? LARGEST_INSIDE : LARGEST.width, Math.max(SMALLEST.width, fitting));
  // Words that are too long for their column stand upright; of numbers some are left out.
  const upright = !small && columns.some((label) => typeof label === "string") && longest(columns) > width;
  const bottom = small ? 0 : upright ? 26 + longest(columns) : 36;
  const height = small
    ? Math.min(width, 14)
    : grid.inside
    ? width
    : Math.min(LARGEST.height, Math.max(SMALLEST.height, 0.7 * width));
  const whole = [left + width * columns.length + 1, top + height * rows.length + bottom];
  const svg = s("svg", {
    class: small ? "grid small" : "grid",
    viewBox: `0 0 ${whole[0]} ${whole[1]}`,
    width: whole[0],
    height: whole[1],
    role: small ? "img" : "grid",
    "aria-label": grid.label,
  });
  const at = grid.pinned ?? [0, 0];
  rows.forEach((label, row) => {
    const line = s("g", small ? {} : { role: "row" });
    if (!small)
      line.append(
        s(
          "text",
          {
            class: "tick",
            role: "rowheader",
            x: left - 6,
            y: top + height * (row + 0.5),
            "text-anchor": "end",
            "dominant-baseline": "central",
          },
          label,
        ),
      );
    columns.forEach((_, column) => {
      const place = { x: left + width * column, y: top + height * row, width, height };
      line.append(cell(grid, row, column, place, at[0] === row && at[1] === column));
    });
    svg.append(line);
  });
  if (!small) {
    axis(svg, grid, { left, top: top + height * rows.length, width, bottom, upright });
    keys(svg, grid);
  }
  return svg;
}

/**
 * @param {Grid} grid @param {number} row @param {number} column
 * @param {{x: number, y: number, width: number, height: number}} place @param {boolean} first
 */
function cell(grid, row, column, place, first) {
  const value = grid.value(row, column);
  const known = grid.known?.(row, column) ?? false;
  const sure = value === null || known || value === 0 || (grid.sure?.(row, column) ?? true);
  const gap = grid.small ? 0.5 : 1;
  const [width, height] = [place.width - gap, place.height - gap];
  const share = sure ? 1 : UNSURE;
  const box = {
    x: place.x + (width * (1 - share)) / 2,
    y: place.y + (height * (1 - share)) / 2,
    width: width * share,
    height: height * share,
  };
  const back = sure && !grid.inside ? null : s("rect", { ...place, width, height, class: "unsure" });
  const front = grid.inside
    ? within(grid.inside(row, column), { ...place, width, height }, grid.limit)
    : s("rect", { ...box, style: `fill: ${fill(value, grid.limit)}` });
  if (grid.small) return s("g", {}, back, front);
  const pinned = grid.pinned !== null && grid.pinned !== undefined && first;
  const written =
    !grid.inside && place.width >= NUMBERED && value !== null && (known || Math.abs(value) >= 0.005 * grid.limit);
  return s(
    "g",
    {
      class: ["cell", known && "known", pinned && "pinned"].filter(Boolean).join(" "),
      role: "gridcell",
      tabindex: first ? 0 : -1,
      "data-row": row,
      "data-column": column,
      "aria-label": grid.about?.(row, column) ?? number(value),
      "aria-selected": pinned ? "true" : "false",
    },
    s("rect", { ...place, width, height, class: "hit" }),
    back,
    front,
    written &&
      s(
        "text",
        {
          class: `value ${sure ? inkOn(value, grid.limit) : "on-weak"}`,
          x: place.x + width / 2,
          y: place.y + height / 2,
          "text-anchor": "middle",
          "dominant-baseline": "central",
        },
        grid.written ? grid.written(row, column) : known && Number.isInteger(value) ? value : number(value, Math.abs(value ?? 0) >= 10 ? 1 : 2),
      ),
    s("rect", { ...place, width, height, class: "ring" }),
  );
}

/**
 * A map of a cell's own, what is faint left out.
 * @param {(number | null)[][]} values @param {{x: number, y: number, width: number, height: number}} place
 * @param {number} limit
 */
function within(values, { x, y, width, height }, limit) {
  const [down, across] = [height / values.length, width / Math.max(1, ...values.map((line) => line.length))];
  return s(
    "g",
    { "shape-rendering": "crispEdges" },
    ...values.flatMap((line, row) =>
      line.map((value, column) =>
        value !== null && Math.abs(value) >= FAINT * limit &&
        s("rect", { x: x + across * column, y: y + down * row, width: across, height: down, style: `fill: ${fill(value, limit)}` }),
      ),
    ),
  );
}

/**
 * @param {SVGSVGElement} svg @param {Grid} grid
 * @param {{left: number, top: number, width: number, bottom: number, upright: boolean}} place
 */
function axis(svg, grid, { left, top, width, bottom, upright }) {
  const step = upright ? 1 : Math.ceil(22 / width);
  grid.columns.forEach((label, column) => {
    if (column % step === 0)
      svg.append(
        s(
          "text",
          upright
            ? {
                class: "tick",
                transform: `translate(${left + width * (column + 0.5)} ${top + 6}) rotate(-90)`,
                "text-anchor": "end",
                "dominant-baseline": "central",
              }
            : { class: "tick", x: left + width * (column + 0.5), y: top + 13, "text-anchor": "middle" },
          label,
        ),
      );
  });
  const middle = left + (width * grid.columns.length) / 2;
  svg.append(s("text", { class: "axis", x: middle, y: top + bottom - 6, "text-anchor": "middle" }, grid.columnLabel));
}

const STEPS = /** @type {Record<string, [number, number]>} */ ({
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
});

/** @param {SVGSVGElement} svg @param {Grid} grid */
function keys(svg, grid) {
  const place = (/** @type {EventTarget | null} */ target) => {
    const found = target instanceof Element ? target.closest("g.cell") : null;
    return found instanceof SVGElement
      ? /** @type {const} */ ([found, Number(found.dataset.row), Number(found.dataset.column)])
      : null;
  };
  const on = (/** @type {string} */ event, /** @type {(row: number, column: number, found: SVGElement) => void} */ act) =>
    svg.addEventListener(event, ({ target }) => {
      const found = place(target);
      if (found) act(found[1], found[2], found[0]);
    });
  on("pointerover", (row, column) => grid.shown?.(row, column));
  on("focusin", (row, column) => grid.shown?.(row, column));
  on("click", (row, column) => grid.chosen?.(row, column));
  svg.addEventListener("pointerleave", () => {
    if (grid.pinned) grid.shown?.(...grid.pinned);
  });
  svg.addEventListener("keydown", (event) => {
    const found = place(event.target);
    if (!found) return;
    const [old, row, column] = found;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      grid.chosen?.(row, column);
      return;
    }
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const next = svg.querySelector(
      `g.cell[data-row="${row + step[0]}"][data-column="${column + step[1]}"]`,
    );
    if (next instanceof SVGElement) {
      old.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    }
  });
}
