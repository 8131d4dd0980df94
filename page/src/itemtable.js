// A table of items with their pictures and sentences, a few at first.

import { block } from "./blocks.js";
import { h } from "./dom.js";
import { tools } from "./figure.js";
import { number } from "./format.js";
import { sorted } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */
/** @typedef {import("./tables.js").Row} Row */

const FIRST = 8;
const MORE = 40;

/** Columns: heading and how a value is written. @type {Record<string, [string, (value: any) => string]>} */
const COLUMNS = {
  negation: ["negation in", String],
  d: ["d, logits", number],
  segment: ["segment", String],
  change: ["change, logits", number],
  restoration: ["share", number],
  caption_foil_similarity: ["similarity of the sentences", (value) => number(value, 3)],
  n_tokens: ["tokens", (value) => String(value ?? "–")],
  subject_area: ["subject's area", (value) => number(value, 3)],
};

/**
 * @param {Context} context @param {Row[]} items
 * @param {{sort: string, columns: string[], pairs: Row[]}} options
 */
export function itemTable(context, items, { sort, columns, pairs }) {
  let [by, down, count] = [sort, true, FIRST];
  const body = h("tbody");
  const more = h("button", { type: "button", click: () => ((count += MORE), fill()) }, "more");
  const heads = columns.map((name) =>
    h(
      "th",
      { scope: "col" },
      h(
        "button",
        {
          type: "button",
          click: () => {
            [by, down] = [name, by === name ? !down : true];
            fill();
          },
        },
        name === "negation" ? context.section.words.negationIn : COLUMNS[name][0],
      ),
    ),
  );
  function fill() {
    const shown = sorted(items, by, down).slice(0, count);
    body.replaceChildren(...shown.map((item) => line(context, item, columns, pairs[item.pair])));
    heads.forEach((head, at) =>
      head.setAttribute("aria-sort", columns[at] !== by ? "none" : down ? "descending" : "ascending"),
    );
    more.textContent = `${items.length - shown.length} more`;
    more.hidden = shown.length === items.length;
  }
  fill();
  return h(
    "div",
    { class: "table" },
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Items" },
      h(
        "table",
        { class: "items" },
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col" }, "picture"), h("th", { scope: "col", class: "text" }, "sentences"), ...heads),
        ),
        body,
      ),
    ),
    more,
    tools({
      name: `${context.section.id}_items`,
      data: items.map((item) => ({
        ...Object.fromEntries(["item_id", "image_file", ...columns].map((name) => [name, item[name]])),
        negated: pairs[item.pair].negated,
        affirmative: pairs[item.pair].affirmative,
      })),
      files: ["segments", "features"].map((table) => `${context.section.folder}/${table}.parquet`),
      link: context.link(),
    }),
  );
}

/** @param {Context} context @param {Row} item @param {string[]} columns @param {Row} pair */
function line({ section }, item, columns, pair) {
  const picture = h("td");
  if (item.picture !== null)
    block(`${section.pictures}-pictures`).then((pictures) =>
      picture.append(h("img", { src: pictures[item.picture], alt: "", loading: "lazy" })),
    );
  return h(
    "tr",
    {},
    picture,
    h(
      "th",
      { scope: "row", class: "text" },
      ...sentences(pair.negated, pair.affirmative),
      h("small", { class: "soft" }, item.item_id),
    ),
    ...columns.map((name) => h("td", {}, COLUMNS[name][1](item[name]))),
  );
}

/**
 * Both sentences of a pair, the words in which they differ marked.
 * @param {string} negated @param {string} affirmative
 */
export function sentences(negated, affirmative) {
  const [one, other] = [negated.split(" "), affirmative.split(" ")];
  let [start, end] = [0, 0];
  while (start < Math.min(one.length, other.length) && one[start] === other[start]) start += 1;
  while (
    end < Math.min(one.length, other.length) - start &&
    one[one.length - 1 - end] === other[other.length - 1 - end]
  )
    end += 1;
  return [one, other].map((words, side) =>
    h(
      "span",
      { class: side ? "sentence" : "sentence source" },
      words.slice(0, start).join(" "),
      " ",
      h("mark", {}, words.slice(start, words.length - end).join(" ")),
      " ",
      words.slice(words.length - end).join(" "),
    ),
  );
}
