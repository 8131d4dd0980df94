// Starts what of the page moves.

import { block } from "./blocks.js";
import { comparison, sortable } from "./compare.js";
import { h } from "./dom.js";
import { models } from "./models.js";
import { explorer } from "./explorer.js";
import { saveText } from "./exports.js";
import { tools } from "./figure.js";
import { rows } from "./tables.js";
import { verdictMap } from "./verdict.js";

/** @param {string} id */
function found(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

async function start() {
  document.documentElement.classList.add("scripted");
  document.querySelectorAll("table.sortable").forEach((table) => sortable(/** @type {HTMLTableElement} */ (table)));
  drawer();
  printing();
  const study = await block("study");
  const config = document.querySelector("#configuration pre");
  config?.before(
    h(
      "button",
      { type: "button", click: () => saveText("config.yaml", config.textContent ?? "", "text/yaml") },
      "Download as config.yaml",
    ),
  );
  for (const figure of document.querySelectorAll("[data-sweep]")) verdictMap(/** @type {HTMLElement} */ (figure), study);
  for (const figure of document.querySelectorAll("[data-files]")) equipped(/** @type {HTMLElement} */ (figure), study);
  comparison(found("comparison"), study);
  if (study.atlas) models(found("atlas"), study);
  await explorer(found("explorer"), study);
}

/**
 * Give what the page came with the same tools as what the script draws.
 * @param {HTMLElement} figure @param {import("./study.js").Study} study
 */
function equipped(figure, study) {
  const { name = "", files = "" } = figure.dataset;
  const section = figure.closest("section");
  (figure.querySelector("figcaption") ?? figure).append(
    tools({
      name,
      picture: figure,
      data: rows(study.tables[name] ?? {}),
      files: files.split(" "),
      link: section ? `#${section.id}` : undefined,
    }),
  );
}

/** On a phone the contents are a drawer, which a choice closes. */
function drawer() {
  const contents = /** @type {HTMLDetailsElement} */ (found("contents"));
  const narrow = matchMedia("(max-width: 64rem)");
  const settle = () => (contents.open = !narrow.matches);
  narrow.addEventListener("change", settle);
  settle();
  contents.addEventListener("click", ({ target }) => {
    if (narrow.matches && target instanceof HTMLAnchorElement) contents.open = false;
  });
}

/** Print what is closed too, and leave it as it was. */
function printing() {
  /** @type {HTMLDetailsElement[]} */
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details")].filter((one) => !one.open);
    opened.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)));
}

start().catch((error) => {
  found("explorer").replaceChildren(h("p", { class: "notice", role: "alert" }, `The explorer could not start: ${error.message}`));
  throw error;
});
