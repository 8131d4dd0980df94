import assert from "node:assert/strict";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { unpacked } from "../src/blocks.js";

test("a block is unpacked as it was packed", async () => {
  const value = { role: ["EOT", "é", null], ratio: [0.5, -1, 0] };
  const text = gzipSync(JSON.stringify(value)).toString("base64");
  assert.deepEqual(await unpacked(text), value);
});

test("a damaged block is refused", async () => {
  await assert.rejects(unpacked(btoa("no gzip at all")));
});
