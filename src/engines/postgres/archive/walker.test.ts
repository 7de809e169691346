import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { isLifeboatError } from "../../../core/errors.ts";
import { ContentsReader, readContents } from "./contents.ts";
import { expectedSequences } from "./sequences.ts";
import { ArchiveWalker, type WalkedArchive, walkArchive } from "./walker.ts";

// A small archive written by hand, so that every byte of it can be cut, dropped and moved.

interface Sample {
  minor?: number;
  intSize?: number;
  compression?: number;
}

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const bytesOf = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

function writer({ minor = 14, intSize = 4, compression = 0 }: Sample = {}) {
  const int = (value: number): Uint8Array => {
    const out = new Uint8Array(1 + intSize);
    out[0] = value < 0 ? 1 : 0;
    let rest = Math.abs(value);
    for (let index = 1; index <= intSize; index++) {
      out[index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return out;
  };
  const text = (value: string | null): Uint8Array =>
    value === null ? int(-1) : concat(int(Buffer.byteLength(value)), new Uint8Array(Buffer.from(value)));
  const entry = (dumpId: number, kind: string, name: string, data: boolean, definition = "", dependencies: number[] = []): Uint8Array =>
    concat(
      ...[int(dumpId), int(data ? 1 : 0), text("1259"), text("16384"), text(name), text(kind), int(3), text(definition), text("")],
      text(data && kind !== "BLOBS" ? `COPY public.${name} (id) FROM stdin;\n` : null),
      ...[text("public"), text(null), ...(minor >= 14 ? [text("heap")] : []), ...(minor >= 16 ? [int(114)] : [])],
      ...[text("postgres"), text("false"), ...dependencies.map((id) => text(String(id))), text(null)],
      concat(bytesOf(data ? 1 : 3), new Uint8Array(8)),
    );
  const head = concat(
    new Uint8Array(Buffer.from("PGDMP")),
    bytesOf(1, minor, 0, intSize, 8, 1),
    minor >= 15 ? bytesOf(compression) : int(compression),
    ...[30, 15, 10, 21, 10, 126, 0].map(int),
    ...["shop", "15.20", "15.20 (Debian)"].map(text),
  );
  const piece = (data: string): Uint8Array => concat(int(Buffer.byteLength(data)), new Uint8Array(Buffer.from(data)));
  const table = (dumpId: number, rows: readonly string[], end = "\\.\n\n\n"): Uint8Array =>
    concat(bytesOf(1), int(dumpId), ...[...rows, end].map(piece), int(0));
  const blobs = (dumpId: number, objects: readonly string[]): Uint8Array =>
    concat(bytesOf(3), int(dumpId), ...objects.map((data, index) => concat(int(100 + index), piece(data), int(0))), int(0));
  return { int, entry, head, table, blobs };
}

function sample(options: Sample = {}) {
  const { int, entry, head, table, blobs } = writer(options);
  const entries = [
    entry(7, "TABLE", "users", false, "CREATE TABLE public.users (id integer);\n"),
    entry(8, "SEQUENCE SET", "users_id_seq", false, `SELECT pg_catalog.setval('public.users_id_seq', 5, true);\n`),
    entry(9, "SEQUENCE SET", "Odd 'Seq", false, `SELECT pg_catalog.setval('public."Odd ''Seq"', -1, false);\n`),
    entry(10, "TABLE DATA", "users", true, "", [7]),
    entry(11, "TABLE DATA", "empty", true),
    entry(12, "BLOBS", "BLOBS", true),
    entry(13, "TABLE DATA", "orders", true),
  ];
  const contents = concat(head, int(entries.length), ...entries);
  const blocks = [table(10, ["1\n", "2222222222\n", "3\n"]), table(11, []), blobs(12, ["x", "a longer object"]), table(13, ["9\n"])];
  return { contents, blocks, whole: concat(contents, ...blocks) };
}

function walk(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): WalkedArchive {
  const walker = new ArchiveWalker();
  let turn = 0;
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, sizes[turn++ % sizes.length] ?? 1);
    walker.feed(bytes.subarray(at, at + size));
    at += size;
  }
  return walker.end();
}

const refused = (bytes: Uint8Array, message?: RegExp): void => {
  assert.throws(
    () => walk(bytes),
    (error) => isLifeboatError(error, "DUMP_INCOMPLETE") && (message === undefined || message.test(error.message)),
  );
};

for (const options of [{ minor: 12 }, { minor: 13 }, { minor: 14 }, { minor: 15 }, { minor: 16 }, { minor: 16, intSize: 8 }]) {
  test(`a whole archive of version 1.${options.minor} with integers of ${options.intSize ?? 4} bytes is accepted`, () => {
    const { whole, contents } = sample(options);
    const walked = walk(whole);
    assert.equal(walked.sizeBytes, whole.length);
    assert.equal(walked.contents.sizeBytes, contents.length);
    assert.deepEqual([...walked.blocks.keys()], [10, 11, 12, 13]);
    assert.equal(walked.blocks.get(10), contents.length);
    assert.deepEqual(expectedSequences(walked.contents.entries), {
      "public.users_id_seq": "5,true",
      'public."Odd \'Seq"': "-1,false",
    });
    const data = walked.contents.entries.find((entry) => entry.dumpId === 10);
    assert.deepEqual([data?.kind, data?.schema, data?.name, data?.owner], ["TABLE DATA", "public", "users", "postgres"]);
    assert.deepEqual(data?.dependencies, [7]);
  });
}

test("an archive cut at any byte is refused", () => {
  const { whole } = sample();
  for (let size = 0; size < whole.length; size++) refused(whole.subarray(0, size));
});

test("an archive cut at any byte is refused however its chunks fall", () => {
  const { whole } = sample({ minor: 16 });
  for (let size = 0; size < whole.length; size++) {
    assert.throws(() => walk(whole.subarray(0, size), [3, 1, 7]), { code: "DUMP_INCOMPLETE" });
  }
});

test("an archive that lacks the data of one table is refused and the table is named", () => {
  const { contents, blocks } = sample();
  const without = (index: number): Uint8Array => concat(contents, ...blocks.filter((_, at) => at !== index));
  refused(without(0), /public\.users/);
  refused(without(1), /public\.empty/);
  refused(without(2), /large objects/);
  refused(without(3), /public\.orders/);
});

test("a block that comes twice, or that no table asked for, or anything after the last block is refused", () => {
  const { whole, blocks } = sample();
  refused(concat(whole, blocks[0] ?? bytesOf()), /second time/);
  refused(concat(whole, writer().table(99, [])), /do not name/);
  refused(concat(whole, bytesOf(0)), /after its last block/);
  refused(concat(whole, bytesOf(1)));
});

test("a table's data without the end marker of COPY is refused, in a plain archive", () => {
  const { contents, blocks } = sample();
  const damaged = (end: string): Uint8Array => concat(contents, writer().table(10, ["1\n"], end), ...blocks.slice(1));
  refused(damaged("2\n"), /public\.users ends without its end marker/);
  refused(damaged("\\\\.\n"), /end marker/);
  refused(damaged("\\."), /end marker/);
  assert.ok(walk(damaged("2\n\\.\n\n\n")));
});

test("the end marker is found when it is split between pieces", () => {
  const { contents, blocks } = sample();
  const split = writer().table(10, ["1\n2\n3\n4\n5\n6\\n7\n\\", "."], "\n\n\n");
  assert.ok(walk(concat(contents, split, ...blocks.slice(1))));
});

test("the verdict does not depend on where chunks begin and end", () => {
  const { whole } = sample();
  const expected = walk(whole);
  assert.deepEqual(walk(whole, [1]), expected);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      assert.deepEqual(walk(whole, sizes), expected);
    }),
    { numRuns: 200 },
  );
});

test("rows of every length are walked, in chunks of any size", () => {
  const { int, entry, head, table } = writer();
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 60 }), fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (lengths, sizes) => {
      const rows = lengths.map((length) => `${"x".repeat(length)}\n`);
      const archive = concat(head, int(1), entry(5, "TABLE DATA", "t", true), table(5, rows));
      assert.equal(walk(archive, sizes).sizeBytes, archive.length);
      assert.throws(() => walk(archive.subarray(0, archive.length - 1), sizes), { code: "DUMP_INCOMPLETE" });
    }),
    { numRuns: 300 },
  );
});

test("bytes that are not an archive, or one of a later version, are reported as unknown", () => {
  const { whole } = sample();
  const future = whole.slice();
  future[6] = 99;
  assert.throws(() => walk(future), { code: "FORMAT_UNKNOWN", message: /1\.99\.0/ });
  assert.throws(() => walk(new Uint8Array(Buffer.from("-- PostgreSQL database dump"))), { code: "FORMAT_UNKNOWN" });
});

test("contents are read from the first bytes only", async () => {
  const { whole, contents } = sample();
  let read = 0;
  async function* bytes() {
    for (let at = 0; at < whole.length; at += 10) {
      read = at + 10;
      yield whole.subarray(at, at + 10);
    }
  }
  const found = await readContents(bytes());
  assert.equal(found.entries.length, 7);
  assert.ok(read < contents.length + 10);
});

test("contents cut at any byte are refused, never shortened", () => {
  const { contents } = sample();
  for (let size = 0; size < contents.length; size++) {
    assert.equal(new ContentsReader().feed(contents.subarray(0, size)), undefined);
  }
  assert.equal(new ContentsReader().feed(contents)?.entries.length, 7);
});

test("the walker passes bytes on unchanged and ends only when they were whole", async () => {
  const { whole } = sample();
  async function* bytes(end: number) {
    for (let at = 0; at < end; at += 13) yield whole.subarray(at, Math.min(end, at + 13));
  }
  const passed: Uint8Array[] = [];
  let walked: WalkedArchive | undefined;
  for await (const chunk of walkArchive(bytes(whole.length), (result) => {
    walked = result;
  }))
    passed.push(chunk);
  assert.deepEqual(concat(...passed), whole);
  assert.equal(walked?.sizeBytes, whole.length);
  await assert.rejects(
    async () => {
      for await (const _ of walkArchive(bytes(whole.length - 1), () => assert.fail("not whole")));
    },
    { code: "DUMP_INCOMPLETE" },
  );
});

/** How many bytes are looked at one by one while an archive's contents are read in pieces. */
function looksAt(t: TestContext, contents: Uint8Array, pieceBytes: number): number {
  const { getUint8 } = DataView.prototype;
  let looks = 0;
  DataView.prototype.getUint8 = function (at) {
    looks++;
    return getUint8.call(this, at);
  };
  t.after(() => {
    DataView.prototype.getUint8 = getUint8;
  });
  const reader = new ContentsReader();
  let whole: unknown;
  for (let at = 0; at < contents.length; at += pieceBytes) whole = reader.feed(contents.subarray(at, at + pieceBytes));
  DataView.prototype.getUint8 = getUint8;
  assert.ok(whole);
  return looks;
}

test("R56 the work of reading an archive's contents grows with their size, not with its square", (t) => {
  const { int, entry, head } = writer();
  const contentsWith = (dependencies: number) =>
    concat(head, int(1), entry(7, "TABLE", "users", false, "", new Array<number>(dependencies).fill(1)));
  const [small, large] = [2_000, 16_000].map((dependencies) => looksAt(t, contentsWith(dependencies), 1000)) as [number, number];
  assert.ok(large < 10 * small, `${small} looks at 2 000 dependencies, ${large} at 16 000`);
});

test("R56 an archive's contents that claim absurd sizes are damaged, and nothing is set aside for them", () => {
  const { int, entry, head } = writer();
  const absurd = [
    concat(head, int(-3)),
    concat(head, int(1), int(7), int(0), int(0x7fff_ffff)),
    concat(head, int(1), ...[7, 0, -1, -1, -1, -1, 3, 0x2000_0000].map(int)),
    concat(head, int(1), entry(7, "TABLE", "users", false).subarray(0, -14), int(21)),
    concat(head.subarray(0, 51), int(100_000)),
  ];
  for (const [index, bytes] of absurd.entries()) {
    assert.throws(() => new ContentsReader().feed(bytes), { code: "INTEGRITY", message: /claims|entries/ }, `case ${index}`);
  }
});

test("two entries of an archive that claim the same data block are refused", () => {
  const { int, entry, head, table } = writer();
  const twice = [entry(10, "TABLE DATA", "users", true), entry(10, "TABLE DATA", "users", true)];
  assert.throws(() => walk(concat(head, int(2), ...twice, table(10, ["1\n"]))), { code: "DUMP_INCOMPLETE", message: /twice/ });
});
