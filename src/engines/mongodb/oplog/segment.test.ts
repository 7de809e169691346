import assert from "node:assert/strict";
import { test } from "node:test";
import { deserialize, serialize, Timestamp } from "bson";
import { Cutter } from "./cutter.ts";
import { firstCommitAfter, readSegment, recordAt } from "./segment.ts";

const SECOND = 1_795_000_000;
const stampOf = (increment: number): bigint => (BigInt(SECOND) << 32n) | BigInt(increment);
const wallOf = (increment: number): Date => new Date(SECOND * 1000 + increment);

function entry(increment: number, note = "x") {
  const bytes = serialize({
    op: "i",
    ns: "shop.users",
    o: { _id: increment, note },
    ts: new Timestamp({ t: SECOND, i: increment }),
    wall: wallOf(increment),
  });
  return { stamp: stampOf(increment), wall: wallOf(increment).toISOString().replace("Z", "000Z"), bytes };
}

/** Segments of so many entries each, one after another. */
function segmentsOf(...runs: readonly (readonly number[])[]) {
  const cutter = new Cutter("set:rs0", { stamp: stampOf(0) }, 1000);
  return runs.map((run) => {
    for (const increment of run) cutter.add(entry(increment), 0);
    const cut = cutter.cut();
    assert.ok(cut);
    return { name: cut.name, bytes: Buffer.concat(cut.parts) };
  });
}

test("R28 a segment says what it covers, continues the one before, and is a plain sequence of documents", () => {
  const [first, second] = segmentsOf([1, 2, 3], [4, 9]);
  assert.ok(first && second);
  const one = readSegment(first.name, first.bytes);
  assert.equal(one.linked, false);
  assert.equal(one.facts.name, `00000001${SECOND.toString(16).toUpperCase()}00000001`);
  assert.equal(one.facts.records, 3);
  assert.equal(one.facts.maxCommitAt, entry(3).wall);
  const two = readSegment(second.name, second.bytes, one.facts);
  assert.equal(two.linked, true);
  assert.equal(two.facts.startLsn, one.facts.nextLsn);
  let [at, documents] = [0, 0];
  for (; at < second.bytes.length; at += second.bytes.readInt32LE(at)) {
    const { op } = deserialize(second.bytes.subarray(at, at + second.bytes.readInt32LE(at)));
    assert.equal(op, documents++ === 0 ? "n" : "i");
  }
});

test("R28 a segment runs on only from exactly the bytes that came before it", () => {
  const [first, second, third] = segmentsOf([1, 2], [3], [4]);
  assert.ok(first && second && third);
  const { facts } = readSegment(first.name, first.bytes);
  assert.equal(readSegment(third.name, third.bytes, facts).linked, false);
  assert.equal(readSegment(second.name, second.bytes, { ...facts, systemIdentifier: "another" }).linked, false);
  const other = { ...facts, tail: { ...(facts.tail as object), sha256: "0".repeat(64) } };
  assert.equal(readSegment(second.name, second.bytes, other).linked, false);
});

test("R28 one damaged byte is found, wherever it changes what a document is", () => {
  const [segment] = segmentsOf([1, 2, 3]);
  assert.ok(segment);
  let found = 0;
  for (let at = 0; at < segment.bytes.length; at++) {
    const bytes = Buffer.from(segment.bytes);
    bytes[at] = (bytes[at] ?? 0) ^ 0x80;
    try {
      readSegment(segment.name, bytes);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "INTEGRITY");
      found++;
    }
  }
  // What is only a value is found by the segment's checksum, before it ever comes here.
  assert.ok(found > segment.bytes.length / 10);
  assert.throws(() => readSegment(segment.name, segment.bytes.subarray(0, -1)), { code: "INTEGRITY" });
  assert.throws(() => readSegment(segment.name, Buffer.concat([segment.bytes, segment.bytes])), { code: "INTEGRITY" });
  assert.throws(() => readSegment(segment.name.replace(/1$/, "2"), segment.bytes), { code: "INTEGRITY" });
});

test("R28 the first entry later than an instant is found in log order, and the entry at a position", () => {
  const [segment] = segmentsOf([1, 2, 7, 8]);
  assert.ok(segment);
  const { name, bytes } = segment;
  const hex = SECOND.toString(16).toUpperCase();
  assert.deepEqual(firstCommitAfter(name, bytes, undefined, entry(2).wall), {
    lsn: `${hex}/7`,
    previousEnd: `${hex}/3`,
    at: entry(7).wall,
  });
  assert.equal(firstCommitAfter(name, bytes, undefined, entry(8).wall), undefined);
  assert.equal(firstCommitAfter(name, bytes, undefined, entry(1).wall, `${hex}/8`)?.lsn, `${hex}/8`);
  assert.deepEqual(recordAt(name, bytes, undefined, `${hex}/4`), { lsn: `${hex}/7`, previousEnd: `${hex}/3` });
  assert.equal(recordAt(name, bytes, undefined, `${hex}/9`), undefined);
});
