// A circuit as SVG: components at tokens, blocks upwards, and the edges between them as arcs.

import { s } from "./dom.js";

/**
 * @typedef {object} Arc an edge
 * @property {string} key
 * @property {string} sender
 * @property {string} component that reads
 * @property {string} role of the tokens at which it is
 * @property {string} reads what its receiver reads with
 * @property {number} value
 * @property {string} label in words
 * @property {boolean} [weak] whether it is no part of the circuit
 */

/**
 * @typedef {object} Graph
 * @property {string} label what the graph is, for those who cannot see it
 * @property {Arc[]} arcs the strongest first
 * @property {Record<string, number | null>} heights of components, in blocks; null above all
 * @property {string[]} roles in the order of the sentence
 * @property {number} room what there is to fill, in pixels; what is wider shrinks a little, and scrolls
 * @property {string} pinned key of an arc, or ""
 * @property {(key: string) => void} shown an arc is pointed at
 * @property {(key: string) => void} chosen an arc is pinned
 * @property {(component: string) => void} picked a component is chosen
 */

/** @typedef {{name: string, role: string, x: number, y: number}} Node */

const NODE = { width: 82, height: 22 };
const LEVEL = 62; // between components above one another, in pixels
const [LEFT, TOP, BOTTOM, MARGIN] = [64, 20, 34, 10];
const LETTER = 7; // what a letter of a label takes
const [BEND, MOST_BEND] = [0.22, 96]; // how far an arc of some length bends, in pixels per pixel; at most
const [WIDEST, THINNEST] = [9, 1];
const TIP = 8; // length of an arrow's head
const SMALLEST = 0.72; // of its size, that letters can be read
// Arcs bend to one side by what they read with, so that those of the same ends part.
/** @type {Record<string, number>} */
const SIDES = { head: -0.55, q: -1, k: 1, v: 0.55, mlp: 0.8, "read-out": 1 };

/**
 * Where components and arcs lie, and how large the whole is.
 * @param {Pick<Graph, "arcs" | "heights" | "roles">} graph
 */
export function layout({ arcs, heights, roles }) {
  const height = (/** @type {string} */ name) => heights[name] ?? Infinity;
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  for (const { sender, component, role } of arcs)
    for (const name of [sender, component]) nodes.set(`${name}@${role}`, { name, role, x: 0, y: 0 });
  const levels = [...new Set([...nodes.values()].map(({ name }) => height(name)))].sort((one, other) => other - one);
  for (const node of nodes.values()) node.y = TOP + LEVEL * (levels.indexOf(height(node.name)) + 0.5);
  const ends = (/** @type {Arc} */ { sender, component, role }) =>
    /** @type {[Node, Node]} */ ([sender, component].map((name) => nodes.get(`${name}@${role}`)));
  const bend = (/** @type {Arc} */ arc) => {
    const [start, end] = ends(arc);
    return (SIDES[arc.reads] ?? 1) * Math.min(MOST_BEND, BEND * (start.y - end.y) + NODE.width / 4);
  };
  let left = LEFT;
  const columns = roles
    .filter((role) => arcs.some((arc) => arc.role === role))
    .map((role) => {
      const own = [...nodes.values()].filter((node) => node.role === role);
      for (const level of levels) {
        const beside = own.filter((node) => height(node.name) === level).sort((one, other) => byName(one.name, other.name));
        beside.forEach((node, number) => (node.x = NODE.width * (number - (beside.length - 1) / 2)));
      }
      // What it has to hold: its components, its arcs where they bend most, and its name.
      const reach = [
        ...own.flatMap(({ x }) => [x - NODE.width / 2, x + NODE.width / 2]),
        ...arcs.filter((arc) => arc.role === role).map((arc) => bend(arc) + (ends(arc)[0].x + ends(arc)[1].x) / 2),
        ...[-1, 1].map((side) => (side * LETTER * role.length) / 2),
      ];
      const [least, most] = [Math.min(...reach) - MARGIN, Math.max(...reach) + MARGIN];
      for (const node of own) node.x += left - least;
      const column = { role, left, middle: left - least, width: most - least };
      left += most - least;
      return column;
    });
  return {
    nodes,
    columns,
    levels: levels.map((level, number) => ({ level, y: TOP + LEVEL * (number + 0.5) })),
    ends,
    bend,
    width: left,
    height: TOP + LEVEL * levels.length + BOTTOM,
  };
}

/** Components in order, heads by their numbers. @param {string} one @param {string} other */
export function byName(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

/**
 * @param {Graph} graph @returns {SVGSVGElement}
 */
export function graph(graph) {
  const { arcs, pinned } = graph;
  const { nodes, columns, levels, ends, bend, width, height } = layout(graph);
  const scale = Math.max(SMALLEST, Math.min(1, graph.room / width));
  const strongest = Math.max(...arcs.map(({ value }) => Math.abs(value))) || 1;
  const svg = s("svg", {
    class: "graph",
    viewBox: `0 0 ${width} ${height}`,
    width: scale * width,
    height: scale * height,
    role: "group",
    "aria-label": graph.label,
  });
  for (const { level, y } of levels)
    if (Number.isInteger(level) && level > 0)
      svg.append(s("text", { class: "tick", x: LEFT - 14, y, "text-anchor": "end", "dominant-baseline": "central" }, `block ${level}`));
  for (const { role, left, middle, width: wide } of columns)
    svg.append(
      s("rect", { class: "column", x: left + 3, y: TOP / 2, width: wide - 6, height: height - BOTTOM - TOP / 2 + 4, rx: 5 }),
      s("text", { class: "tick", x: middle, y: height - 10, "text-anchor": "middle" }, role),
    );
  for (const [from, to] of moves(arcs, nodes))
    svg.append(s("path", { class: "move", d: `M${from.x} ${from.y}L${to.x} ${to.y}` }));
  const list = s("g", { role: "listbox", "aria-label": "Edges, the strongest first" });
  const first = Math.max(0, arcs.findIndex(({ key }) => key === pinned));
  // What is strongest is drawn last, above the others, and stands first in the list.
  const made = arcs.map((arc, number) => {
    const thick = Math.max(THINNEST, (WIDEST * Math.abs(arc.value)) / strongest);
    return edge(arc, ...ends(arc), bend(arc), thick, number === first, arc.key === pinned);
  });
  list.append(...made.reverse());
  svg.append(list);
  for (const { name, x, y } of nodes.values())
    svg.append(
      s(
        "g",
        { class: "node", "data-component": name, "aria-hidden": "true", click: () => graph.picked(name) },
        s("rect", { x: x - NODE.width / 2 + 3, y: y - NODE.height / 2, width: NODE.width - 6, height: NODE.height, rx: 5 }),
        s("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central" }, name),
      ),
    );
  keys(list, graph);
  return svg;
}

/**
 * @param {Arc} arc @param {Node} start @param {Node} end @param {number} bend
 * @param {number} thick @param {boolean} first @param {boolean} isPinned
 */
function edge(arc, start, end, bend, thick, first, isPinned) {
  const [x1, y1, x2, y2] = [start.x, start.y - NODE.height / 2, end.x, end.y + NODE.height / 2];
  // A quadratic curve bends half as far as its control point lies aside.
  const [cx, cy] = [(x1 + x2) / 2 + 2 * bend, (y1 + y2) / 2];
  const length = Math.hypot(x2 - cx, y2 - cy);
  const [dx, dy] = [(x2 - cx) / length, (y2 - cy) / length];
  const [bx, by] = [x2 - TIP * dx, y2 - TIP * dy];
  const curve = `M${x1} ${y1}Q${cx} ${cy} ${bx} ${by}`;
  const wide = TIP * 0.4 + thick / 2;
  const names = ["edge", `reads-${arc.reads}`, arc.weak && "weak", arc.value < 0 && "negative", isPinned && "pinned"];
  return s(
    "g",
    {
      class: names.filter(Boolean).join(" "),
      role: "option",
      tabindex: first ? 0 : -1,
      "data-edge": arc.key,
      "aria-label": arc.label,
      "aria-selected": isPinned ? "true" : "false",
    },
    s("path", { class: "hit", d: curve }),
    s("path", { class: "halo", d: curve, style: `stroke-width: ${thick + 5}` }),
    s("path", { class: "line", d: curve, style: `stroke-width: ${thick}` }),
    s("path", { class: "tip", d: `M${x2} ${y2}L${bx - wide * dy} ${by + wide * dx}L${bx + wide * dy} ${by - wide * dx}Z` }),
  );
}

/**
 * From where heads read keys and values to where they write: attention moves it there.
 * @param {Arc[]} arcs @param {Map<string, Node>} nodes
 */
export function moves(arcs, nodes) {
  const read = new Set(
    arcs.filter(({ reads }) => ["head", "k", "v"].includes(reads)).map(({ component, role }) => `${component}@${role}`),
  );
  const written = new Set(arcs.map(({ sender, role }) => `${sender}@${role}`));
  /** @type {[Node, Node][]} */
  const found = [];
  for (const from of read)
    for (const to of written) {
      const [start, end] = [nodes.get(from), nodes.get(to)];
      if (start && end && start.name === end.name && start.role !== end.role) found.push([start, end]);
    }
  return found;
}

/** @param {SVGElement} list @param {Graph} graph */
function keys(list, { arcs, shown, chosen }) {
  const key = (/** @type {EventTarget | null} */ target) => {
    const found = target instanceof Element ? target.closest("g.edge") : null;
    return found instanceof SVGElement ? (found.dataset.edge ?? "") : "";
  };
  const on = (/** @type {string} */ event, /** @type {(key: string) => void} */ act) =>
    list.addEventListener(event, ({ target }) => {
      const found = key(target);
      if (found) act(found);
    });
  on("pointerover", shown);
  on("focusin", shown);
  on("click", chosen);
  list.addEventListener("keydown", (event) => {
    const at = arcs.findIndex((arc) => arc.key === key(event.target));
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      chosen(arcs[at].key);
    }
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = arcs[at + step];
    if (!next) return;
    for (const one of /** @type {NodeListOf<SVGElement>} */ (list.querySelectorAll("g.edge"))) {
      one.setAttribute("tabindex", one.dataset.edge === next.key ? "0" : "-1");
      if (one.dataset.edge === next.key) one.focus();
    }
  });
}
