// Several drawings of the page as one picture, as they stand there, with what stands below each.

import { s } from "./dom.js";
import { paper, svgText } from "./exports.js";

/**
 * @param {Element} root of the drawings, each with what is said of it
 * @returns {string} one SVG of the root's size
 */
export function sheetText(root) {
  const { left, top, width, height } = root.getBoundingClientRect();
  const sheet = s("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  for (const picture of root.querySelectorAll("svg")) {
    const place = picture.getBoundingClientRect();
    const { documentElement } = new DOMParser().parseFromString(svgText(picture), "image/svg+xml");
    const { width: wide, height: high } = place;
    const at = { x: place.left - left, y: place.top - top, width: wide, height: high };
    for (const [name, value] of Object.entries(at)) documentElement.setAttribute(name, String(value));
    sheet.append(documentElement);
  }
  for (const caption of root.querySelectorAll("figcaption, p")) {
    const style = getComputedStyle(caption);
    for (const { words, rect } of lines(caption))
      sheet.append(
        s(
          "text",
          {
            ...{ x: rect.left - left, y: rect.bottom - top - rect.height / 5, fill: style.color },
            ...{ "font-family": style.fontFamily, "font-size": style.fontSize },
          },
          words.join(" "),
        ),
      );
  }
  sheet.prepend(paper());
  return new XMLSerializer().serializeToString(sheet);
}

/**
 * The lines in which the page shows a text.
 * @param {Element} element
 */
function lines(element) {
  /** @type {{words: string[], rect: DOMRect}[]} */
  const found = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    for (const { 0: word, index } of (node.textContent ?? "").matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const rect = range.getBoundingClientRect();
      const last = found.at(-1);
      if (last && Math.abs(last.rect.top - rect.top) < rect.height / 2) last.words.push(word);
      else found.push({ words: [word], rect });
    }
  return found;
}
