import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, Long, serialize, Timestamp } from "bson";
import type { MongoSession } from "../connect/connect.ts";
import { newestEntry, readSlice } from "./oplog-slice.ts";

const stamped = (i: number): Uint8Array =>
  serialize({ op: "i", ns: "shop.things", o: { _id: i }, ts: new Timestamp({ t: 1, i }), wall: new Date(0) });
const stampOf = (i: number): bigint => (1n << 32n) + BigInt(i);

/** A set whose majority has one entry more whenever it is asked, from `settled` on; the leading member has `written`. */
function setOf(written: number, settled: number): MongoSession {
  let has = settled;
  const entries = (from: number, to: number): Uint8Array[] =>
    Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => stamped(from + index));
  const find = (filter: Document, options: Document) => ({
    async toArray() {
      if (options.sort !== undefined) return [stamped(options.sort.$natural === 1 ? 1 : written)];
      assert.equal(options.readConcern.level, "majority");
      assert.equal(options.readPreference, "primary");
      return entries(filter.ts.$gte.getLowBits(), Math.min(written, has++)).slice(0, 1);
    },
  });
  async function command({ filter, readConcern }: Document) {
    assert.equal(readConcern.level, "majority");
    const found = entries(filter.ts.$gte.getLowBits(), Math.min(has, filter.ts.$lte.getLowBits()));
    return { cursor: serialize({ id: Long.ZERO, ns: "local.oplog.rs", firstBatch: found.map(asDocument) }) };
  }
  const asDocument = (bytes: Uint8Array): Document => ({
    ...{ op: "i", ns: "shop.things", o: { _id: 0 }, wall: new Date(0) },
    ts: new Timestamp({ t: 1, i: Buffer.from(bytes).readUInt32LE(bytes.indexOf(0x11) + 4) }),
  });
  const client = {
    db: () => ({ collection: () => ({ find }), command }),
    startSession: () => ({ endSession: async () => {} }),
  };
  return { client, connection: { url: "", label: "shop" }, hello: { topology: "replica set" } } as unknown as MongoSession;
}

test("R28 the slice of a dump ends with an entry that a majority has, even when the primary is ahead", async () => {
  const set = setOf(9, 6);
  assert.equal((await newestEntry(set)).stamp, stampOf(9));
  let entries = 0;
  for await (const { count } of readSlice(set, {}, stampOf(1), stampOf(9))) entries += count;
  assert.equal(entries, 9);
});

test("R28 an oplog that gives less than it had fails the dump", async () => {
  const read = async (): Promise<void> => {
    for await (const _batch of readSlice(setOf(9, 6), {}, stampOf(1), stampOf(9)));
  };
  await assert.rejects(read, { code: "SOURCE_CHANGED" });
});
