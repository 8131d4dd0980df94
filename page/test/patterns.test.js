import assert from "node:assert/strict";
import { test } from "node:test";
import { weights } from "../src/patterns.js";

// Two heads; the negated sentence has tokens 0, 1, 2, the affirmative one lacks the second.
const pattern = {
  pair: 0,
  negated_tokens: [0, 1, 2],
  affirmative_tokens: [0, 1],
  negated: [...[100, null, null, 40, 60, null, 10, 20, 70], ...[100, null, null, 90, 10, null, 30, 30, 40]],
  affirmative: [...[100, null, 75, 25], ...[100, null, 50, 50]],
};
const counterpart = [0, null, 1];

test("a head's pattern is its own, a row per query", () => {
  assert.deepEqual(weights(pattern, counterpart, 100, 1, "negated"), [
    [1, null, null],
    [0.9, 0.1, null],
    [0.3, 0.3, 0.4],
  ]);
  assert.deepEqual(weights(pattern, counterpart, 100, 1, "affirmative"), [
    [1, null],
    [0.5, 0.5],
  ]);
});

test("differences are between counterparts, none where one is missing", () => {
  const found = weights(pattern, counterpart, 100, 0, "difference");
  assert.deepEqual(found.map((line) => line.map((one) => one && Math.round(100 * one))), [
    [0, null, null],
    [null, null, null],
    [-65, null, 45],
  ]);
});
