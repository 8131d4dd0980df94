import assert from "node:assert/strict";
import test from "node:test";
import { counted, interval, number, percent, probability } from "../src/format.js";

test("numbers have a true minus, and zero has none", () => {
  assert.equal(number(-1.005, 2), "−1.00");
  assert.equal(number(-0.001), "0.00");
  assert.equal(number(null), "–");
});

test("small p are not called 0", () => {
  assert.equal(probability(0.0499), "0.050");
  assert.equal(probability(0.0001), "1e−4");
  assert.equal(probability(0), "0");
  assert.equal(probability(undefined), "–");
});

test("an interval without a limit is none", () => {
  assert.equal(interval(-0.5, 1), "−0.50 to 1.00");
  assert.equal(interval(null, 1), "");
  assert.equal(interval(1, 3, String), "1 to 3");
});

test("shares and counts", () => {
  assert.equal(percent(0.9985), "99.9%");
  assert.equal(counted(1, "item"), "1 item");
  assert.equal(counted(2, "pair"), "2 pairs");
});
