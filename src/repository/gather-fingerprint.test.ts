import assert from "node:assert/strict";
import { test } from "node:test";
import { gatherFingerprint } from "./gather-fingerprint.ts";

const bytesOf = (tables: string): AsyncIterable<Uint8Array> =>
  (async function* () {
    yield Buffer.from(
      `{"algorithm":"x","scope":{"kind":"full"},"tables":${tables},"sequences":{},"schema":{"__proto__":"s"},"outside":[],"unhashed":[]}`,
    );
  })();

test("R33 a table may have any name, and its fingerprint is read", async () => {
  const { tables, schema } = await gatherFingerprint(
    bytesOf('{"__proto__":{"rows":1,"digest":"a"},"constructor":{"rows":2,"digest":null}}'),
  );
  assert.deepEqual(Object.keys(tables), ["__proto__", "constructor"]);
  assert.deepEqual(Object.entries(schema), [["__proto__", "s"]]);
});

test("R57 a fingerprint with invalid tables is refused under each name", async () => {
  for (const tables of ['{"__proto__":{"rows":"many","digest":"a"}}', '{"t":1}', "[]", "null"]) {
    await assert.rejects(gatherFingerprint(bytesOf(tables)), { code: "INTEGRITY" }, tables);
  }
});
