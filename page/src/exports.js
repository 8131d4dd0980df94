// Files made of what the page shows: text, SVG with its colours in it, PNG.

import { s } from "./dom.js";

/** @param {string} name @param {Blob} blob */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {string} name @param {string} text @param {string} type */
export function saveText(name, text, type) {
  save(name, new Blob([text], { type }));
}

const KEPT = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"],
  ...["opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline"],
];

/** Any CSS colour as rgb, which every program reads. @param {string} colour */
function plainColour(colour) {
  if (!/^(color|oklab|oklch|lab)/.test(colour)) return colour;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
}

/** What a picture lies on, in the page's colour. */
export function paper() {
  const fill = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  return s("rect", { width: "100%", height: "100%", fill });
}

/**
 * An SVG element of the page as a file: what style sheets say of it is written into it.
 * @param {SVGSVGElement} svg
 */
export function svgText(svg) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const [shown, made] = [svg, copy].map((one) => [one, ...one.querySelectorAll("*")]);
  shown.forEach((element, number) => {
    const style = getComputedStyle(element);
    const kept = KEPT.map((name) => `${name}: ${plainColour(style.getPropertyValue(name))}`);
    if (style.display === "none" || style.visibility === "hidden") kept.push("display: none");
    made[number].setAttribute("style", kept.join("; "));
    for (const name of ["class", "tabindex", "role"]) made[number].removeAttribute(name);
  });
  copy.querySelectorAll("style").forEach((sheet) => sheet.remove());
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.prepend(paper());
  return new XMLSerializer().serializeToString(copy);
}

/**
 * The text of a picture that is an SVG file, as the page holds it; null of any other.
 * @param {HTMLImageElement} image
 */
export function fileText(image) {
  const [kind, content] = image.src.split(",");
  if (!kind.startsWith("data:image/svg+xml")) return null;
  return new TextDecoder().decode(Uint8Array.from(atob(content), (one) => one.charCodeAt(0)));
}

/**
 * @param {Element} picture as large as it is shown
 * @param {string} [text] its SVG, of any other than an image
 * @param {number} [scale] pixels of the file per pixel of the page
 * @returns {Promise<Blob>}
 */
export async function png(picture, text = "", scale = 3) {
  const { width, height } = picture.getBoundingClientRect();
  const image = picture instanceof HTMLImageElement ? picture : new Image();
  if (image !== picture) image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(
    image,
    ...[0, 0, canvas.width, canvas.height],
  );
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"),
  );
}
