import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CRC64_EMPTY, Crc64 } from "./crc64.ts";

function crc(bytes: Uint8Array): bigint {
  const sum = new Crc64();
  sum.update(bytes);
  return sum.value();
}

test("the checksum of 123456789 is CRC-64/XZ's published check value", () => {
  assert.equal(crc(Buffer.from("123456789")), 0x995d_c9bb_df19_39fan);
  assert.equal(crc(new Uint8Array(0)), CRC64_EMPTY);
});

test("a checksum is that of the bit-by-bit definition, however the bytes are cut and wherever they lie", () => {
  const slow = (bytes: Uint8Array): bigint => {
    let value = 0xffff_ffff_ffff_ffffn;
    for (const byte of bytes) {
      value ^= BigInt(byte);
      for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0xc96c_5795_d787_0f42n : value >> 1n;
    }
    return value ^ 0xffff_ffff_ffff_ffffn;
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(80), fc.nat(7), (bytes, cut, offset) => {
      const placed = new Uint8Array(bytes.length + offset).subarray(offset);
      placed.set(bytes);
      const sum = new Crc64();
      const at = Math.min(cut, bytes.length);
      sum.update(placed, 0, at);
      sum.update(placed, at);
      assert.equal(sum.value(), slow(bytes));
    }),
  );
});
