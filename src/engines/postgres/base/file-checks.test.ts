import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { openFileDigest } from "./file-checks.ts";

const digest = (algorithm: string, pieces: readonly Uint8Array[]): string => {
  const open = openFileDigest(algorithm);
  for (const piece of pieces) open.update(piece);
  return open.hex();
};

test("CRC-32C of the standard's example is its known value, in the order of a server's memory", () => {
  assert.equal(digest("CRC32C", [Buffer.from("123456789")]), "839206e3");
  assert.equal(digest("CRC32C", []), "00000000");
});

test("a checksum is the same for bytes in pieces of any size and at any place in memory", () => {
  const bytes = Buffer.alloc(5000, "some bytes that do not repeat in step with anything, ");
  const whole = digest("CRC32C", [Buffer.from(bytes)]);
  for (let offset = 0; offset < 5; offset++) {
    const moved = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
    for (const cut of [1, 3, 15, 16, 17, 4999]) {
      assert.equal(digest("CRC32C", [moved.subarray(0, cut), moved.subarray(cut)]), whole, `offset ${offset}, cut at ${cut}`);
    }
  }
});

test("the other kinds a manifest may hold are those of OpenSSL, and an unknown one is refused", () => {
  assert.equal(digest("SHA256", [Buffer.from("a"), Buffer.from("b")]), createHash("sha256").update("ab").digest("hex"));
  assert.throws(
    () => openFileDigest("MD5"),
    (error) => isLifeboatError(error, "INTEGRITY"),
  );
});
