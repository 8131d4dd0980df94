import assert from "node:assert/strict";
import test from "node:test";
import { csv, latex, rows, sorted } from "../src/tables.js";

test("columns become rows", () => {
  assert.deepEqual(rows({ a: [1, 2], b: ["x", null] }), [
    { a: 1, b: "x" },
    { a: 2, b: null },
  ]);
  assert.deepEqual(rows({}), []);
});

test("CSV quotes what would break it and leaves out what is missing", () => {
  const table = [{ a: 'say "no", twice\nmore', b: null, c: 0 }];
  assert.equal(csv(table), 'a,b,c\n"say ""no"", twice\nmore",,0\n');
});

test("LaTeX escapes its own characters and sets numbers to the right", () => {
  const made = latex([{ role_1: "50% & {x}\\~^", n: 3 }]);
  assert.match(made, /^\\begin\{tabular\}\{lr\}\n/);
  assert.ok(made.includes("role\\_1 & n \\\\"));
  assert.ok(
    made.includes("50\\% \\& \\{x\\}\\textbackslash{}\\textasciitilde{}\\textasciicircum{} & 3"),
  );
});

test("rows are sorted as numbers, and what is missing stands last either way", () => {
  const table = [10, null, 9, -1].map((x) => ({ x }));
  const order = (/** @type {boolean} */ down) => sorted(table, "x", down).map(({ x }) => x);
  assert.deepEqual(order(false), [-1, 9, 10, null]);
  assert.deepEqual(order(true), [10, 9, -1, null]);
  assert.deepEqual(table.map(({ x }) => x), [10, null, 9, -1]);
});
