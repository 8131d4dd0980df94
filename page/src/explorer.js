// The explorer: one place for every section, whose state is the page's address.

import { attentionView } from "./attention.js";
import { circuitView } from "./circuit.js";
import { choice, h } from "./dom.js";
import { itemsView } from "./items.js";
import { mapView } from "./map.js";
import { picturesView } from "./pictures.js";
import { address, among, parsed } from "./state.js";

/** @typedef {import("./study.js").Section} Section */
/** @typedef {import("./study.js").Context} Context */

/**
 * @typedef {object} View
 * @property {string} label
 * @property {(section: Section) => boolean} open whether a section has what it shows
 * @property {(context: Context) => Promise<HTMLElement>} draw
 */

// A further way to look at a section is a further entry.
/** @type {Record<string, View>} */
export const VIEWS = {
  map: { label: "Map", open: ({ sweeps }) => sweeps.length > 0, draw: mapView },
  items: { label: "Items", open: () => true, draw: itemsView },
  attention: { label: "Attention", open: ({ attention }) => attention, draw: attentionView },
  circuit: { label: "Circuit", open: ({ circuit }) => circuit, draw: circuitView },
  figures: { label: "Figures", open: ({ figures }) => figures > 0, draw: picturesView },
};

/**
 * @param {HTMLElement} root @param {import("./study.js").Study} study
 */
export function explorer(root, study) {
  let state = parsed(location.hash) ?? {};
  let drawing = 0;

  /** @param {import("./state.js").State} changes */
  function set(changes) {
    state = { ...state, ...changes };
    history.replaceState(null, "", address(state));
    void draw();
  }

  async function draw() {
    const mine = ++drawing;
    const distinct = (/** @type {"dataset" | "model" | "wording"} */ name) => [
      ...new Set(study.sections.map((section) => section[name])),
    ];
    const [dataset, model, wording] = /** @type {const} */ (["dataset", "model", "wording"]).map((name) =>
      among(state[name], distinct(name)),
    );
    const section =
      study.sections.find(
        (one) => one.dataset === dataset && one.model === model && one.wording === wording,
      ) ?? study.sections[0];
    const open = Object.entries(VIEWS).filter(([, view]) => view.open(section));
    const name = among(state.view, open.map(([key]) => key));
    const context = {
      study,
      section,
      state,
      set,
      link: (changes = {}) => address({ ...state, dataset, model, wording, view: name, ...changes }),
    };
    const content = await VIEWS[name].draw(context);
    if (mine !== drawing) return; // another choice was made meanwhile
    const focus = focused(root);
    root.replaceChildren(
      h(
        "div",
        { class: "controls" },
        choice("Dataset", distinct("dataset"), dataset, (value) => set({ dataset: value, cell: "", pair: "" }), "dataset"),
        choice("Model", distinct("model"), model, (value) => set({ model: value, cell: "", head: "", edge: "", component: "" }), "model"),
        choice("Wording", distinct("wording"), wording, (value) => set({ wording: value, cell: "", pair: "" }), "wording"),
        h(
          "div",
          { role: "tablist", class: "tabs", "aria-label": "View" },
          ...open.map(([key, view]) =>
            h(
              "button",
              {
                type: "button",
                role: "tab",
                name: `view-${key}`,
                id: `tab-${key}`,
                "aria-selected": key === name ? "true" : "false",
                "aria-controls": "view",
                click: () => set({ view: key }),
              },
              view.label,
            ),
          ),
        ),
      ),
      h("div", { id: "view", role: "tabpanel", "aria-labelledby": `tab-${name}` }, content),
    );
    if (focus) /** @type {HTMLElement | null} */ (root.querySelector(focus))?.focus({ preventScroll: true });
    root.dataset.state = "drawn";
  }

  addEventListener("hashchange", () => {
    const asked = parsed(location.hash);
    if (!asked) return;
    state = asked;
    void draw();
    root.closest("section")?.scrollIntoView();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) void draw();
    width = innerWidth;
  });
  if (parsed(location.hash)) root.closest("section")?.scrollIntoView();
  return draw();
}

/**
 * What has the focus, as a selector that finds it again in what replaces it.
 * @param {HTMLElement} root
 */
function focused(root) {
  const active = document.activeElement;
  if (!active || !root.contains(active)) return null;
  if (active instanceof SVGElement)
    return Object.entries(active.dataset)
      .map(([name, value]) => `[data-${name}="${CSS.escape(value ?? "")}"]`)
      .join("");
  const name = active.getAttribute("name");
  return name ? `[name="${CSS.escape(name)}"]` : null;
}
