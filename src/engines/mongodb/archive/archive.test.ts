import assert from "node:assert/strict";
import { test } from "node:test";
import { serialize } from "bson";
import fc from "fast-check";
import { documentsOf, LARGEST_DOCUMENT_BYTES } from "../bson/bson.ts";
import { ArchiveReader, readPrelude } from "./archive.ts";
import { Crc64 } from "./crc64.ts";
import { type ArchiveCollection, OPLOG, type Prelude } from "./prelude.ts";
import { ArchiveWriter } from "./write.ts";

const COLLECTIONS: readonly ArchiveCollection[] = [
  { db: "shop", collection: "users", type: "collection", metadata: '{"indexes":[]}' },
  { db: "shop", collection: "weather", type: "timeseries", metadata: "{}" },
  { db: "shop", collection: "recent", type: "view", metadata: "{}" },
  { db: "other", collection: "users", type: "collection", metadata: "{}" },
  OPLOG,
];
const PRELUDE: Prelude = { concurrentCollections: 2, serverVersion: "7.0.2", toolVersion: "1", collections: COLLECTIONS };

type Block = readonly [index: number, documents: readonly Uint8Array[]];

/** The archive of these blocks, in this order; every collection ends where its last block did, or at the end. */
function archiveOf(blocks: readonly Block[], prelude = PRELUDE): Buffer {
  const writer = new ArchiveWriter(prelude);
  const sums = prelude.collections.map(() => new Crc64());
  const pieces: Uint8Array[] = [writer.begin()];
  const ended = new Set<number>();
  const end = (index: number): void => {
    ended.add(index);
    pieces.push(writer.close(index, (sums[index] as Crc64).value()));
  };
  for (const [at, [index, documents]] of blocks.entries()) {
    pieces.push(writer.head(index), ...documents);
    for (const document of documents) sums[index]?.update(document);
    if (!blocks.slice(at + 1).some(([later]) => later === index) && at % 2 === 0) end(index);
  }
  for (const index of prelude.collections.keys()) if (!ended.has(index)) end(index);
  return Buffer.concat(pieces);
}

/** Everything read, by collection, from bytes fed in pieces of the given size. */
function read(bytes: Uint8Array, pieceBytes = bytes.length): Uint8Array[][] {
  const reader = new ArchiveReader();
  const found: Uint8Array[][] = COLLECTIONS.map(() => []);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const event of reader.feed(bytes.subarray(at, at + pieceBytes))) {
      if (event.kind === "documents") found[event.index]?.push(...documentsOf(event.documents));
    }
  }
  const { totals } = reader.end();
  assert.deepEqual(
    totals.map(({ rows }) => rows),
    found.map((documents) => documents.length),
  );
  return found;
}

const document = fc.record({ _id: fc.integer(), text: fc.string({ maxLength: 20 }) }).map((value) => serialize(value));
/** Views hold nothing. */
const index = fc.constantFrom(0, 1, 3, 4);
const blocks = fc.array(fc.tuple(index, fc.array(document, { minLength: 1, maxLength: 4 })), { maxLength: 8 });

test("R27 any interleaving of collections comes back, document by document, however its bytes are cut", () => {
  fc.assert(
    fc.property(blocks, fc.integer({ min: 1, max: 200 }), (written, pieceBytes) => {
      const expected = COLLECTIONS.map((_, at) => written.filter(([of]) => of === at).flatMap(([, documents]) => [...documents]));
      assert.deepEqual(
        read(archiveOf(written), pieceBytes).map((documents) => documents.map((one) => Buffer.from(one).toString("hex"))),
        expected.map((documents) => documents.map((one) => Buffer.from(one).toString("hex"))),
      );
    }),
  );
});

const SAMPLE = archiveOf([
  [0, [serialize({ _id: 1, name: "one" }), serialize({ _id: 2 })]],
  [3, [serialize({ _id: "x" })]],
  [0, [serialize({ _id: 3, name: "three" })]],
  [1, [serialize({ _id: 4 })]],
  [4, [serialize({ op: "n" })]],
]);
const BODY_AT = new ArchiveWriter(PRELUDE).begin().length;

test("R27 an archive cut anywhere is refused", () => {
  for (let size = 0; size < SAMPLE.length; size++) {
    assert.throws(() => read(SAMPLE.subarray(0, size)), { code: "INTEGRITY" }, `cut at ${size} of ${SAMPLE.length}`);
  }
});

test("R27 a flipped byte anywhere in the blocks is found", () => {
  for (let at = BODY_AT; at < SAMPLE.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const damaged = Buffer.from(SAMPLE);
      damaged[at] = (damaged[at] as number) ^ mask;
      assert.throws(() => read(damaged, 37), { code: "INTEGRITY" }, `flipped at ${at} by ${mask}`);
    }
  }
});

test("R27 a flipped byte in the names of the prelude is found, since blocks then do not fit it", () => {
  const names = ["shop", "users", "weather", "recent", "other", "oplog", "timeseries"];
  for (const name of names) {
    const damaged = Buffer.from(SAMPLE);
    const at = damaged.indexOf(`${name}\0`, 20, "latin1");
    assert.ok(at > 0 && at < BODY_AT);
    damaged[at] = (damaged[at] as number) ^ 0x02;
    assert.throws(() => read(damaged), { code: "INTEGRITY" }, name);
  }
});

test("R27 anything after the end is refused", () => {
  for (const more of [Uint8Array.of(0), Uint8Array.of(0xff, 0xff, 0xff, 0xff), serialize({ a: 1 }), SAMPLE]) {
    assert.throws(() => read(Buffer.concat([SAMPLE, more])), { code: "INTEGRITY" });
  }
});

/** An archive of one collection, with these bytes as its blocks. */
function withBlocks(...pieces: readonly Uint8Array[]): Buffer {
  const prelude = { ...PRELUDE, collections: COLLECTIONS.slice(0, 1) };
  return Buffer.concat([new ArchiveWriter(prelude).begin(), ...pieces]);
}
const header = (collection: string, ends: boolean, crc: bigint, more = {}) =>
  serialize({ db: "shop", collection, EOF: ends, CRC: crc, ...more });
const END = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

test("R27 what breaks the rules of the format is refused, each with what is wrong", () => {
  const bad: readonly (readonly [Uint8Array, RegExp])[] = [
    [withBlocks(), /before collection shop.users has ended/],
    [withBlocks(header("users", true, 1n), END), /checksum is wrong/],
    [withBlocks(header("users", true, 0n), serialize({ a: 1 }), END), /a document after its end/],
    [withBlocks(header("users", true, 0n), END, header("users", true, 0n), END), /after its end/],
    [withBlocks(header("other", true, 0n), END), /does not list/],
    [withBlocks(header("users", false, 5n), END), /header is none/],
    [withBlocks(header("users", true, 0n, { more: 1 }), END), /malformed header/],
    [withBlocks(serialize({ db: "shop", collection: "users", EOF: true, CRC: 0 }), END), /malformed header/],
    [withBlocks(END), /never began/],
    [withBlocks(header("users", false, 0n), Uint8Array.of(4, 0, 0, 0)), /a document of 4 bytes/],
    [withBlocks(header("users", false, 0n), Uint8Array.of(5, 0, 0, 0, 1)), /does not end where its length says/],
    [withBlocks(header("users", false, 0n), lengthOnly(LARGEST_DOCUMENT_BYTES + 1)), /more than any server allows/],
    [withBlocks(header("users", false, 0n), lengthOnly(-2)), /a document of -2 bytes/],
    [Buffer.from("PGDMP, which is another tool's"), /not a mongodump archive/],
  ];
  for (const [bytes, message] of bad) {
    for (const pieceBytes of [bytes.length, 3]) assert.throws(() => read(bytes, pieceBytes), { code: "INTEGRITY", message });
  }
  const twice = new ArchiveWriter({ ...PRELUDE, collections: [COLLECTIONS[0], COLLECTIONS[0]] as ArchiveCollection[] }).begin();
  assert.throws(() => read(twice), { code: "INTEGRITY", message: /twice/ });
});

function lengthOnly(sizeBytes: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(sizeBytes);
  return bytes;
}

test("R27 a document of the largest size comes back, one byte more is refused", () => {
  const large = serialize({ _id: 1, fill: Buffer.alloc(LARGEST_DOCUMENT_BYTES - 25) });
  assert.equal(large.length, LARGEST_DOCUMENT_BYTES);
  assert.deepEqual(
    read(archiveOf([[0, [large]]]), 1024 * 1024)[0]?.map((one) => one.length),
    [LARGEST_DOCUMENT_BYTES],
  );
  const larger = serialize({ _id: 1, fill: Buffer.alloc(LARGEST_DOCUMENT_BYTES - 24) });
  assert.throws(() => read(archiveOf([[0, [larger]]]), 1024 * 1024), { code: "INTEGRITY" });
});

test("the list of collections is read from as few bytes as it has", async () => {
  let given = 0;
  async function* bytes(): AsyncIterable<Uint8Array> {
    for (; given < SAMPLE.length; given++) yield SAMPLE.subarray(given, given + 1);
  }
  assert.deepEqual((await readPrelude(bytes())).collections, COLLECTIONS);
  assert.ok(given < BODY_AT, `${given} bytes were taken of ${BODY_AT}`);
});

test("documents of a time series have its buckets' name for servers before 8.3, and its own since", () => {
  const newer = archiveOf([], { ...PRELUDE, serverVersion: "8.3.0" });
  const older = archiveOf([], { ...PRELUDE, serverVersion: "8.2.9" });
  assert.equal(newer.includes("system.buckets.weather"), false);
  assert.equal(older.includes("system.buckets.weather"), true);
  read(newer);
  read(older);
});
