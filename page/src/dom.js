// Elements made in one call.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes */

/**
 * @param {Element} element
 * @param {Attributes} attributes functions are listeners, as in {click: f}; null leaves one out
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, String(value));
  }
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
  return element;
}

/**
 * An HTML element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Attributes} [attributes] @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  filled(element, attributes, children);
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag @param {Attributes} [attributes] @param {Child[]} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  filled(element, attributes, children);
  return element;
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {(string | [string, string] | [string, string, string])[]} options names, or names with what
 *   is shown, and in which group
 * @param {string} value @param {(value: string) => void} changed
 * @param {string} [name] of the control, to find it by
 */
export function choice(label, options, value, changed, name = label) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const groups = [...new Set(pairs.map(([, , group]) => group))];
  const of = (/** @type {string | undefined} */ wanted) =>
    pairs
      .filter(([, , group]) => group === wanted)
      .map(([key, shown]) => h("option", { value: key, selected: key === value }, shown));
  const select = h(
    "select",
    { name, change: () => changed(select.value) },
    ...groups.flatMap((group) => (group === undefined ? of(group) : [h("optgroup", { label: group }, ...of(group))])),
  );
  select.disabled = pairs.length < 2;
  return h("label", { class: "choice" }, h("span", {}, label), select);
}

/**
 * A switch.
 * @param {string} label @param {boolean} on @param {(on: boolean) => void} changed
 * @param {string} name
 */
export function toggle(label, on, changed, name) {
  const box = h("input", { type: "checkbox", name, checked: on, change: () => changed(box.checked) });
  return h("label", { class: "toggle" }, box, label);
}

/**
 * A picture made by a library as one image with a description: its groups have none of their own.
 * @param {Element} svg @param {string} label
 */
export function described(svg, label) {
  for (const part of svg.querySelectorAll("[aria-label], [aria-description]")) {
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
}

/** The least width that anything is drawn in, and what the page keeps free beside it, in pixels. */
const [LEAST, MARGINS] = [300, 48];

/**
 * How wide a picture may be, in pixels.
 * @param {number} most
 */
export function room(most) {
  const view = document.getElementById("view") ?? document.querySelector("main");
  const there = view && view.clientWidth > LEAST ? view.clientWidth : innerWidth - MARGINS;
  return Math.max(LEAST, Math.min(most, there));
}
