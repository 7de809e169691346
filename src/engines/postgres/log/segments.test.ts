import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLifeboatError } from "../../../core/errors.ts";
import { CRC_BEGIN, finishCrc, updateCrc } from "./crc32c.ts";
import { formatMicros, microsFromHalves, parseMicros } from "./micros.ts";
import { compareLsn, firstCommitAfter, logFileKind, readHistory, readSegment, recordAt, segmentNames } from "./segments.ts";
import { endsTransaction, transactionTime } from "./transaction-time.ts";

const MEGABYTE = 1 << 20;
const NAME = "000000010000000000000001";

const crcOf = (bytes: Uint8Array): number => {
  const memory = new Uint8Array((bytes.length + 3) & ~3);
  memory.set(bytes);
  return finishCrc(updateCrc(CRC_BEGIN, new Int32Array(memory.buffer), memory, 0, bytes.length));
};

test("the checksum is CRC-32C, as its published examples say", () => {
  assert.equal(crcOf(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crcOf(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crcOf(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assert.equal(crcOf(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
});

test("a checksum that is set aside and taken up again is the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 200 }), fc.nat(), (bytes, where) => {
      const memory = new Uint8Array((bytes.length + 3) & ~3);
      memory.set(bytes);
      const words = new Int32Array(memory.buffer);
      const cut = (where % bytes.length) & ~3;
      const first = updateCrc(CRC_BEGIN, words, memory, 0, cut);
      assert.equal(finishCrc(updateCrc(first, words, memory, cut, bytes.length)), crcOf(bytes));
    }),
  );
});

test("instants keep every microsecond", () => {
  assert.equal(formatMicros(microsFromHalves(0, 0)), "2000-01-01T00:00:00.000000Z");
  assert.equal(formatMicros(microsFromHalves(-1, -1)), "1999-12-31T23:59:59.999999Z");
  fc.assert(
    fc.property(fc.bigInt({ min: -(1n << 50n), max: 1n << 52n }), (stamp) => {
      const micros = microsFromHalves(Number(BigInt.asIntN(32, stamp)), Number(BigInt.asIntN(32, stamp >> 32n)));
      assert.equal(BigInt(micros), stamp + 946_684_800_000_000n);
      assert.equal(parseMicros(formatMicros(micros)), micros);
    }),
  );
  assert.ok(Number.isNaN(microsFromHalves(0, 0x7fffffff)));
  for (const text of ["2026-11-21T06:00:00Z", "2026-11-21T06:00:00.123Z", "2026-13-21T06:00:00.123456Z", "now"]) {
    assert.throws(
      () => parseMicros(text),
      (error) => isLifeboatError(error, "USAGE"),
    );
  }
});

test("only ends of transactions carry a time that replay stops by", () => {
  // COMMIT, ABORT, COMMIT PREPARED, ABORT PREPARED, with and without their flag; PREPARE, ASSIGNMENT and INVALIDATIONS do not.
  const stamped = [0x00, 0x80, 0x20, 0xa0, 0x30, 0xb0, 0x40, 0xc0];
  for (let info = 0; info < 256; info += 16) assert.equal(endsTransaction(1, info), stamped.includes(info), `info ${info}`);
  assert.equal(endsTransaction(0, 0), false);
});

test("the time is found behind an origin and a top-level transaction, and behind a long length", () => {
  const at = Buffer.alloc(8);
  at.writeBigInt64LE(123_456_789n);
  const expected = 946_684_800_000_000 + 123_456_789;
  const record = (...parts: (number[] | Buffer)[]): Buffer =>
    Buffer.concat([Buffer.alloc(24), ...parts.map((part) => Buffer.from(part)), Buffer.alloc(24)]);
  assert.equal(transactionTime(record([255, 8], at), 0), expected);
  assert.equal(transactionTime(record([253, 1, 0, 252, 1, 2, 3, 4, 255, 20], at), 0), expected);
  assert.equal(transactionTime(record([254, 0, 1, 0, 0], at), 0), expected);
  assert.ok(Number.isNaN(transactionTime(record([0, 1, 2, 3], at), 0)));
  assert.ok(Number.isNaN(transactionTime(record([255, 4], at), 0)));
});

test("names tell segments and history files from everything else", () => {
  assert.equal(logFileKind(NAME), "segment");
  assert.equal(logFileKind("00000002.history"), "history");
  for (const name of [`${NAME}.partial`, `${NAME}.00000028.backup`, NAME.slice(1), "00000002.HISTORY", "", "0000000a0000000000000001"]) {
    assert.equal(logFileKind(name), undefined, name);
  }
});

test("segments from one position to another are named across a multiple of 4 GB", () => {
  assert.deepEqual(segmentNames(1, "0/FF000001", "1/1000000", 16 * MEGABYTE), [
    "0000000100000000000000FF",
    "000000010000000100000000",
    "000000010000000100000001",
  ]);
  assert.deepEqual(segmentNames(11, "0/FFF00000", "0/FFFFFFFF", MEGABYTE), ["0000000B0000000000000FFF"]);
  assert.throws(
    () => segmentNames(1, "0/0", "0/1", 12_345),
    (error) => isLifeboatError(error, "USAGE"),
  );
  assert.throws(
    () => compareLsn("0/0", "x"),
    (error) => isLifeboatError(error, "USAGE"),
  );
  assert.ok(compareLsn("1/0", "0/FFFFFFFF") > 0 && compareLsn("0/a", "0/0A") === 0);
});

test("a history file gives the timelines before, oldest first", () => {
  const text = "1\t0/3000148\tno recovery target specified\n\n# by hand\n3\t1/a0\tbefore 2026-11-21 06:00:00+00\n";
  assert.deepEqual(readHistory(Buffer.from(text)), [
    { timeline: 1, switchedAt: "0/3000148" },
    { timeline: 3, switchedAt: "1/A0" },
  ]);
  for (const bad of ["x\n", "2\t0/1\n1\t0/2\n", "1\t00\n", "0\t0/1\n"]) {
    assert.throws(
      () => readHistory(Buffer.from(bad)),
      (error) => isLifeboatError(error, "INTEGRITY"),
      bad,
    );
  }
});

/** A first page that is right in itself, so that what follows it is reached. */
function withHeader(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(40);
  header.writeUInt16LE(0xd110, 0);
  header.writeUInt16LE(0x0002, 2);
  header.writeUInt32LE(1, 4);
  header.writeBigUInt64LE(BigInt(MEGABYTE), 8);
  header.writeBigUInt64LE(42n, 24);
  header.writeUInt32LE(MEGABYTE, 32);
  header.writeUInt32LE(8192, 36);
  const segment = new Uint8Array(MEGABYTE);
  segment.set(bytes.subarray(0, MEGABYTE));
  segment.set(header);
  return segment;
}

test("bytes that are not WAL are INTEGRITY, and nothing else", () => {
  const expectDamage = (act: () => unknown): void => assert.throws(act, (error) => isLifeboatError(error, "INTEGRITY"));
  const noise = fc.uint8Array({ minLength: 0, maxLength: 20_000 });
  fc.assert(
    fc.property(noise, (bytes) => {
      expectDamage(() => readSegment(NAME, bytes));
      expectDamage(() => readSegment(`${NAME}.partial`, bytes));
      expectDamage(() => readSegment(NAME, withHeader(bytes)));
      expectDamage(() => recordAt(NAME, withHeader(bytes), undefined, "0/0"));
      expectDamage(() => firstCommitAfter(NAME, withHeader(bytes), undefined, "2026-11-21T06:00:00.000000Z"));
      const { facts } = readSegment(`${NAME}.partial`, withHeader(bytes));
      assert.equal(facts.records, 0);
      assert.equal(facts.endLsn, "0/100000");
    }),
    { numRuns: 60 },
  );
});

test("with any record of the segment before it, a segment is read or refused as damaged", () => {
  const segment = withHeader(new Uint8Array(0));
  const before = readSegment(`${NAME}.partial`, segment).facts;
  fc.assert(
    fc.property(fc.anything(), fc.string(), (tail, endLsn) => {
      const facts = { ...before, partial: false, startLsn: "0/0", nextLsn: "0/100000", tail, endLsn };
      assert.equal(readSegment(`${NAME}.partial`, segment, facts).linked, false);
    }),
  );
});

test("what is not the name of a segment is refused as such", () => {
  assert.throws(
    () => readSegment("00000002.history", new Uint8Array(0)),
    (error) => isLifeboatError(error, "USAGE"),
  );
});
