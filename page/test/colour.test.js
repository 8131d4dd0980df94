import assert from "node:assert/strict";
import test from "node:test";
import { fill, inkOn } from "../src/colour.js";

test("colours stop at the limit and tell the signs apart", () => {
  assert.match(fill(2, 1), /--map-high\) 100\.0%/);
  assert.match(fill(-0.25, 0.5), /--map-low\) 50\.0%/);
  assert.match(fill(0, 1), / 0\.0%/);
  assert.equal(fill(null, 1), "var(--map-none)");
});

test("what is written on a strong colour is told", () => {
  assert.equal(inkOn(-0.9, 1), "on-strong");
  assert.equal(inkOn(0.7, 1), "on-middle");
  assert.equal(inkOn(0.3, 1), "on-weak");
  assert.equal(inkOn(null, 1), "on-weak");
});
