// A figure with what one can take from it: data, picture, link, and where its table lies.

import { h } from "./dom.js";
import { fileText, png, save, saveText, svgText } from "./exports.js";
import { sheetText } from "./sheet.js";
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
export function framed({ name, title, picture, caption, data, files, link }) {
  return h(
    "figure",
    {},
    title && h("h3", {}, title),
    h("div", { class: "wide" }, picture),
    h("figcaption", {}, ...caption.map((paragraph) => h("p", {}, paragraph)), tools({ name, picture, data, files, link })),
  );
}

/**
 * What one can take from a figure; from a table, which is no picture, its data; of a sheet of several
 * drawings one picture.
 * @param {{name: string, picture?: Element, sheet?: Element, data: import("./tables.js").Row[], files?: string[], link?: string}} of
 */
export function tools({ name, picture, sheet, data, files = [], link }) {
  const shown = /** @type {SVGSVGElement | HTMLImageElement | null | undefined} */ (
    picture?.matches("svg, img") ? picture : picture?.querySelector("svg, img")
  );
  const isImage = shown instanceof HTMLImageElement;
  const text = () => {
    if (sheet) return sheetText(sheet);
    return isImage ? (fileText(shown) ?? "") : shown ? svgText(shown) : "";
  };
  const isSvg = sheet || (shown && (!isImage || fileText(shown) !== null));
  const whole = sheet ?? shown;
  const button = (/** @type {string} */ label, /** @type {string} */ what, /** @type {() => void} */ click) =>
    h("button", { type: "button", click, "aria-label": `${what} of ${name}` }, label);
  const said = h("span", { class: "said", role: "status" });
  return h(
    "div",
    { class: "tools" },
    data.length > 0 && button("CSV", "Data as CSV", () => saveText(`${name}.csv`, csv(data), "text/csv")),
    data.length > 0 && button("LaTeX", "Data as LaTeX", () => saveText(`${name}.tex`, latex(data), "text/x-tex")),
    isSvg && button("SVG", "Picture as SVG", () => saveText(`${name}.svg`, text(), "image/svg+xml")),
    whole && button("PNG", "Picture as PNG", async () => save(`${name}.png`, await png(whole, text()))),
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
}
