// The age project's test vectors (CCTV) verify header, key stanzas and payload.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import * as vectors from "cctv-age";
import { isLifeboatError } from "../core/errors.ts";
import { chunked } from "./testing.ts";
import { openAge } from "./unseal.ts";

interface Vector {
  readonly name: string;
  readonly expect: string;
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly passphrases: readonly string[];
  readonly armored: boolean;
  readonly file: Uint8Array;
}

function parse(name: string, bytes: Uint8Array): Vector {
  const text = Buffer.from(bytes).toString("latin1");
  const end = text.indexOf("\n\n");
  const facts = text
    .slice(0, end)
    .split("\n")
    .map((line) => line.split(": ") as [string, string]);
  const values = (key: string): string[] => facts.filter(([name]) => name === key).map(([, value]) => value);
  const file = Buffer.from(bytes).subarray(end + 2);
  return {
    name,
    expect: values("expect")[0] ?? "",
    payload: values("payload")[0],
    identities: values("identity"),
    passphrases: values("passphrase"),
    armored: values("armored").includes("yes"),
    file: values("compressed").includes("zlib") ? inflateSync(file) : file,
  };
}

const all = Object.entries(vectors)
  .filter((entry): entry is [string, Uint8Array] => entry[1] instanceof Uint8Array)
  .map(([name, bytes]) => parse(name, bytes));
const used = all.filter(({ armored }) => !armored);
const excluded = all.filter(({ armored }) => armored);

/** The error code for each expectation of the vectors. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  "no match": ["WRONG_KEY"],
  "HMAC failure": ["INTEGRITY"],
  // A demand for too much memory is not damage.
  "header failure": ["INTEGRITY", "FORMAT_UNKNOWN"],
  "payload failure": ["INTEGRITY"],
};

async function open(vector: Vector, chunkBytes: number): Promise<{ error: unknown; payload: string }> {
  const hash = createHash("sha256");
  let error: unknown;
  // One kind of key at a time, and the first of two passphrases.
  const key = vector.identities.length > 0 ? { identities: vector.identities } : { passphrase: vector.passphrases[0] ?? "none" };
  try {
    for await (const chunk of openAge(chunked(vector.file, chunkBytes), key)) hash.update(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { error, payload: hash.digest("hex") };
}

for (const vector of used) {
  // The whole file at once, and in pieces that split every line, nonce, chunk and tag.
  for (const chunkBytes of vector.file.length > 10_000 ? [1 << 24, 65_537] : [1 << 24, 1]) {
    test(`R21 age vector ${vector.name} gives ${vector.expect}, in pieces of ${chunkBytes}`, async () => {
      const { error, payload } = await open(vector, chunkBytes);
      if (vector.expect === "success") {
        assert.ifError(error);
      } else {
        assert.ok(isLifeboatError(error), `expected a LifeboatError, not ${error}`);
        assert.ok(CODES[vector.expect]?.includes(error.code), `${error.code}: ${error.message}`);
      }
      if (error !== undefined && vector.expect === "payload failure")
        assert.equal((error as { details?: { where?: string } }).details?.where, "payload");
      if (vector.payload !== undefined) assert.equal(payload, vector.payload, "the yielded bytes are exactly the payload up to the damage");
    });
  }
}

test("R21 only armored age vectors are left out, because Lifeboat neither writes nor reads armor", () => {
  assert.equal(all.length, 143);
  assert.ok(
    excluded.every(({ name, armored }) => armored && (name.startsWith("armor_") || name === "hybrid_armor")),
    excluded.map(({ name }) => name).join(),
  );
  assert.ok(used.length >= 105);
});
