// The figures of a section that the workflow drew, with their captions.

import { block } from "./blocks.js";
import { h } from "./dom.js";
import { framed } from "./figure.js";
import { rows } from "./tables.js";

/** @typedef {import("./study.js").Context} Context */

/**
 * @typedef {object} Picture
 * @property {string} name
 * @property {string} title
 * @property {string[]} caption
 * @property {string} source data URI
 * @property {string} path
 * @property {string} alt
 * @property {Record<string, import("./tables.js").Columns>} tables that it is drawn from
 */

/** @param {Context} context */
export async function picturesView({ section, link }) {
  /** @type {Picture[]} */
  const figures = await block(`${section.id}-figures`);
  return h(
    "div",
    { class: "pictures" },
    ...figures.map(({ name, title, caption, source, path, alt, tables }) =>
      framed({
        name: `${section.id}_${name}`,
        title,
        picture: h("img", { src: source, alt }),
        caption,
        data: rows(Object.values(tables)[0] ?? {}),
        files: [path, ...Object.keys(tables).map((table) => `${section.folder}/${table}.parquet`)],
        link: link(),
      }),
    ),
  );
}
