// Choices that several views have, alike in each.

import { choice } from "./dom.js";
import { capital } from "./study.js";

/** @typedef {import("./study.js").Context} Context */

/** Where the negation is. @param {Context} context @param {string} negation */
export function negationChoice({ study, section, set }, negation) {
  return choice(
    capital(section.words.negationIn),
    [["all", "caption or foil"], ...study.negations],
    negation,
    (negation) => set({ negation }),
    "negation",
  );
}

/** What is shown of the effect. @param {Context} context @param {string[]} names @param {string} effect */
export function effectChoice({ study, set }, names, effect) {
  return choice(
    "Effect",
    study.effects.filter(([name]) => names.includes(name)).map(([name, label]) => [name, label]),
    effect,
    (effect) => set({ effect }),
    "effect",
  );
}
