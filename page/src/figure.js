// A figure with what one can take from it: data, picture, link, and where its table lies.

import { h } from "./dom.js";
import { fileText, png, save, saveText, svgText } from "./exports.js";
import { csv, latex } from "./tables.js";

/**
 * @typedef {object} Figure
 * @property {string} name of its files
 * @property {Element} picture
 * @property {string[]} caption paragraphs
 * @property {import("./tables.js").Row[]} data
 * @property {string} [title]
 * @property {string[]} [files] paths of the tables that it is drawn from, and of itself
 * @property {string} [link] address that leads back to it
 */

/** @param {Figure} figure */
export function framed({ name, title, picture, caption, data, files = [], link }) {
  const shown = /** @type {SVGSVGElement | HTMLImageElement} */ (
    picture.matches("svg, img") ? picture : picture.querySelector("svg")
  );
  const text = shown instanceof SVGSVGElement ? () => svgText(shown) : () => fileText(shown) ?? "";
  const isSvg = shown instanceof SVGSVGElement || fileText(shown) !== null;
  const button = (/** @type {string} */ label, /** @type {string} */ what, /** @type {() => void} */ click) =>
    h("button", { type: "button", click, "aria-label": `${what} of ${name}` }, label);
  const said = h("span", { class: "said", role: "status" });
  const tools = h(
    "div",
    { class: "tools" },
    data.length > 0 && button("CSV", "Data as CSV", () => saveText(`${name}.csv`, csv(data), "text/csv")),
    data.length > 0 && button("LaTeX", "Data as LaTeX", () => saveText(`${name}.tex`, latex(data), "text/x-tex")),
    isSvg && button("SVG", "Picture as SVG", () => saveText(`${name}.svg`, text(), "image/svg+xml")),
    button("PNG", "Picture as PNG", async () => save(`${name}.png`, await png(shown))),
    link &&
      button("Link", "Link to this view", async () => {
        const address = location.href.split("#")[0] + link;
        history.replaceState(null, "", link);
        said.textContent = "link is in the address bar";
        try {
          await navigator.clipboard.writeText(address);
          said.textContent = "link copied";
        } catch {
          // A page from a file may not write to the clipboard; the address bar has the link.
        }
      }),
    said,
    ...files.map((file) => h("code", {}, file)),
  );
  return h(
    "figure",
    {},
    title && h("h3", {}, title),
    h("div", { class: "wide" }, picture),
    h("figcaption", {}, ...caption.map((paragraph) => h("p", {}, paragraph)), tools),
  );
}
