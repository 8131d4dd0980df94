import assert from "node:assert/strict";
import { test } from "node:test";
import { layout, moves } from "../src/graph.js";

const arc = (sender, component, role, reads, value = 1) => ({
  ...{ key: `${sender}>${component}@${role}`, sender, component, role, reads, value, label: "" },
});
const circuit = {
  arcs: [
    arc("embedding", "1.2", "determiner", "k"),
    arc("1.10", "2.1", "EOT", "q"),
    arc("1.2", "2.1", "EOT", "q"),
    arc("1.2", "read-out", "EOT", "read-out"),
    arc("mlp.1", "read-out", "EOT", "read-out"),
  ],
  heights: { embedding: 0, "1.2": 1, "1.10": 1, "mlp.1": 1.4, "2.1": 2, "read-out": null },
  roles: ["SOT", "determiner", "EOT"],
};

test("components stand by block, an MLP above its block's heads, the read-out on top", () => {
  const { nodes } = layout(circuit);
  const heights = ["read-out", "2.1", "mlp.1", "1.2"].map((name) => nodes.get(`${name}@EOT`).y);
  assert.deepEqual([...heights].sort((one, other) => one - other), heights);
  assert.equal(new Set(heights).size, 4);
  assert.equal(nodes.get("1.2@determiner").y, nodes.get("1.2@EOT").y);
  assert.ok(nodes.get("embedding@determiner").y > nodes.get("1.2@determiner").y);
});

test("a role without edges has no column, and components of a block stand side by side", () => {
  const { nodes, columns, width, bend } = layout(circuit);
  assert.deepEqual(columns.map(({ role }) => role), ["determiner", "EOT"]);
  const [two, ten] = ["1.2@EOT", "1.10@EOT"].map((key) => nodes.get(key).x);
  assert.ok(ten - two >= 82);
  for (const one of circuit.arcs) {
    const { left, width: wide } = columns.find(({ role }) => role === one.role);
    const middle = (nodes.get(`${one.sender}@${one.role}`).x + nodes.get(`${one.component}@${one.role}`).x) / 2;
    assert.ok(middle + bend(one) >= left && middle + bend(one) <= left + wide, one.key);
  }
  assert.equal(width, columns.at(-1).left + columns.at(-1).width);
});

test("a head moves what it reads by keys or values to where it writes, not what it asks for", () => {
  const { nodes } = layout(circuit);
  const found = moves(circuit.arcs, nodes).map(([from, to]) => [from.name, from.role, to.role]);
  assert.deepEqual(found, [["1.2", "determiner", "EOT"]]);
});
