// The map of one sweep, and what is known of the cell that is pointed at or pinned.

import { block } from "./blocks.js";
import { details, items } from "./cell.js";
import { effectChoice, negationChoice } from "./choices.js";
import { gradient } from "./colour.js";
import { choice, h, room, toggle } from "./dom.js";
import { framed } from "./figure.js";
import { number } from "./format.js";
import { drawn } from "./grid.js";
import { among } from "./state.js";
import { capital, cellName, effectOf, siteAndDirection } from "./study.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {import("./tables.js").Row} Row */

/**
 * The state with every choice of this view settled.
 * @param {Context} context
 */
export function settled({ study, section, state }) {
  const sites = [...new Set(section.sweeps.map((sweep) => siteAndDirection(sweep)[0]))];
  const site = among(state.site, sites);
  const directions = section.sweeps
    .filter((sweep) => sweep.startsWith(`${site}.`))
    .map((sweep) => siteAndDirection(sweep)[1]);
  const direction = among(state.direction, directions);
  return {
    sites,
    directions,
    site,
    direction,
    sweep: `${site}.${direction}`,
    negation: among(state.negation, ["all", ...study.negations]),
    segment: among(state.segment, ["all", ...study.segments]),
    effect: among(state.effect, study.effects.map(([name]) => name)),
    own: state.scale === "own",
  };
}

/** @param {Context} context */
export async function mapView(context) {
  const { study, section, state, set } = context;
  const chosen = settled(context);
  const maps = await block(`${section.id}-maps`);
  const all = rows(maps[chosen.sweep] ?? {});
  const table = all.filter(
    (row) => row.negation === chosen.negation && row.segment === chosen.segment,
  );
  const there = new Set(all.map((row) => row.segment));
  const controls = h(
    "div",
    { class: "controls" },
    choice(
      "Site",
      chosen.sites.map((site) => [site, study.sites[site].label]),
      chosen.site,
      (site) => set({ site, cell: "" }),
      "site",
    ),
    choice("Direction", chosen.directions, chosen.direction, (direction) => set({ direction }), "direction"),
    negationChoice(context, chosen.negation),
    choice(
      "Items",
      [["all", "all"], ...study.segments.filter((segment) => there.has(segment))],
      chosen.segment,
      (segment) => set({ segment }),
      "segment",
    ),
    effectChoice(context, study.effects.map(([name]) => name), chosen.effect),
    toggle("own colour scale", chosen.own, (own) => set({ scale: own ? "own" : "" }), "scale"),
  );
  if (!table.length)
    return h("div", {}, controls, h("p", { class: "notice" }, "No item of this choice can be patched here."));
  return h("div", {}, controls, await body(context, chosen, table, state.cell));
}

/**
 * @param {Context} context @param {ReturnType<typeof settled>} chosen
 * @param {Row[]} table @param {string | undefined} pinned layer.row
 */
async function body(context, chosen, table, pinned) {
  const { study, section, set, link } = context;
  const { site, effect } = chosen;
  const by = table.some((row) => row.head !== null && row.head !== undefined) ? "head" : "role";
  const order = by === "head" ? null : [...study.roles, "all"];
  const labels = [...new Set(table.map((row) => row[by]))].sort((one, other) =>
    order ? order.indexOf(one) - order.indexOf(other) : one - other,
  );
  const layers = [...new Set(table.map((row) => row.layer))].sort((one, other) => one - other);
  const at = new Map(table.map((row) => [`${row.layer}.${row[by]}`, row]));
  const cell = (/** @type {number} */ row, /** @type {number} */ column) =>
    at.get(`${layers[column]}.${labels[row]}`);
  const [, label, isShare] = study.effects.find(([name]) => name === effect) ?? study.effects[0];
  const value = (/** @type {Row | undefined} */ found) => (found ? effectOf(found, effect) : null);
  const largest = Math.max(0, ...table.map((row) => Math.abs(value(row) ?? 0))) || 1;
  const limit = chosen.own ? largest : isShare ? 1 : study.largest;
  const [first, ...rest] = (pinned ?? "").split(".");
  const second = rest.join("."); // a set of heads has points of its own
  const place = /** @type {[number, number]} */ ([
    labels.findIndex((one) => String(one) === second),
    layers.indexOf(Number(first)),
  ]);
  const isPinned = place[0] >= 0 && place[1] >= 0;
  const name = (/** @type {string | number} */ label, /** @type {number} */ layer) =>
    capital(cellName(study, site, layer, label));
  const panel = h("div", { class: "panel", "aria-live": "polite" });
  const show = (/** @type {number} */ row, /** @type {number} */ column) => {
    const found = cell(row, column);
    if (found) panel.replaceChildren(...details(context, name(labels[row], layers[column]), found));
  };
  const [, sites] = [labels, study.sites[site]];
  const what = `${capital(label)}, by ${sites.label}`;
  const over = `${chosen.segment === "all" ? "all items" : `${chosen.segment} items`}, ${
    chosen.negation === "all" ? `both places of the ${section.words.negation}` : `${section.words.negationIn} the ${chosen.negation}`
  }`;
  const picture = drawn({
    label: `${what}: ${over}. ${section.headline}`,
    rows: labels,
    columns: layers,
    rowLabel: by,
    columnLabel: sites.states ? "hidden state" : "block",
    value: (row, column) => value(cell(row, column)),
    sure: (row, column) => {
      const found = cell(row, column);
      return found?.p_fwer === null || found?.p_fwer === undefined || found.p_fwer <= study.alpha;
    },
    known: (row, column) => Boolean(cell(row, column)?.known),
    about: (row, column) =>
      `${name(labels[row], layers[column])}: ${number(value(cell(row, column)))}`,
    limit,
    width: room(640),
    pinned: isPinned ? place : null,
    shown: show,
    chosen: (row, column) => {
      const key = `${layers[column]}.${labels[row]}`;
      set({ cell: key === pinned ? "" : key });
    },
  });
  const best = isPinned ? place : highest(labels, layers, (row, column) => value(cell(row, column)), cell);
  show(...best);
  const path = `${section.folder}/map.${chosen.sweep}.parquet`;
  const tested = chosen.segment === "all";
  const figure = framed({
    name: [section.id, chosen.sweep, chosen.negation, chosen.segment, effect].join("_"),
    picture,
    caption: [`${what}, ${over} (${range(table, "n_items")} items, ${range(table, "n_pairs")} pairs a cell).`],
    data: table,
    files: [path],
    link: link(),
  });
  figure.querySelector(".wide")?.after(legend(limit, label, tested, study.alpha, chosen.own));
  const pinnedRow = isPinned ? cell(...place) : undefined;
  return h(
    "div",
    {},
    h("div", { class: "side" }, figure, panel),
    pinnedRow
      ? await items(context, await patched(context, chosen, pinnedRow, labels[place[0]]), pinnedRow)
      : h("p", { class: "soft" }, "Arrow keys move over the map; Enter or a click pins a cell and opens its items."),
  );
}

/**
 * A cell with the changes of its items.
 * @param {Context} context @param {ReturnType<typeof settled>} chosen @param {Row} row
 * @param {string | number} label
 * @returns {Promise<import("./cell.js").Patched>}
 */
async function patched({ study, section }, { sweep, site, negation, segment, effect }, row, label) {
  const { cells, changes } = (await block(`${section.id}-values`))[sweep];
  const isHead = typeof label === "number";
  const at = rows(cells).findIndex((cell) => cell.layer === row.layer && (isHead ? cell.head : cell.role) === label);
  return {
    name: capital(cellName(study, site, row.layer, label)),
    id: `${sweep}_${row.layer}.${label}`,
    table: `sweep.${sweep}`,
    changes: changes[at] ?? [],
    heads: isHead ? [`${row.layer}.${label}`] : [],
    ...{ negation, segment, effect },
  };
}

/** @param {Row[]} table @param {string} name */
function range(table, name) {
  const counts = table.map((row) => row[name]);
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return low === high ? `${low}` : `${low} to ${high}`;
}

/**
 * Where the highest value is that is not known by definition.
 * @param {any[]} labels @param {number[]} layers
 * @param {(row: number, column: number) => number | null} value
 * @param {(row: number, column: number) => Row | undefined} cell
 * @returns {[number, number]}
 */
function highest(labels, layers, value, cell) {
  /** @type {[number, number]} */
  let best = [0, 0];
  let most = -Infinity;
  labels.forEach((_, row) =>
    layers.forEach((__, column) => {
      const found = value(row, column);
      if (found !== null && !cell(row, column)?.known && found > most) {
        most = found;
        best = [row, column];
      }
    }),
  );
  return best;
}

/**
 * @param {number} limit @param {string} label @param {boolean} tested @param {number} alpha
 * @param {boolean} own
 */
function legend(limit, label, tested, alpha, own) {
  const end = limit >= 10 ? 0 : limit < 0.095 ? 3 : limit === 1 ? 0 : 2;
  return h(
    "div",
    { class: "legend" },
    h("span", {}, number(-limit, end)),
    h("span", { class: "gradient", style: `background: ${gradient(limit)}` }),
    h("span", {}, `${number(limit, end)} ${label}${own ? " (own scale)" : ""}`),
    tested && h("span", {}, h("i", { class: "key unsure" }), `not different from 0 (family-wise, ${alpha})`),
    h("span", {}, h("i", { class: "key known" }), "0 or 1 by definition"),
    !tested && h("span", {}, "segments are not tested"),
  );
}
