import assert from "node:assert/strict";
import test from "node:test";
import { address, among, parsed } from "../src/state.js";

test("a state comes back from its address, whatever its characters", () => {
  const state = { dataset: "a&b=c #d", text: "no dogs?", cell: "1.subject_first" };
  assert.deepEqual(parsed(address(state)), state);
});

test("what is empty is not in the address", () => {
  assert.equal(address({ site: "head", cell: "" }), "#explore?site=head");
});

test("other addresses ask for nothing", () => {
  for (const hash of ["", "#compared", "#explore"]) assert.equal(parsed(hash), null);
});

test("an option that is not there gives way to the first", () => {
  assert.equal(among("x", ["a", "b"]), "a");
  assert.equal(among("b", ["a", "b"]), "b");
  assert.equal(among(undefined, []), "");
});
