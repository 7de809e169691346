import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, deserialize, serialize } from "bson";
import { bytesOf, rawOf } from "./raw.ts";
import { replyBytes } from "./reply.ts";
import { FrameReader, frameReply, parseMessage } from "./wire.ts";

const int32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeInt32LE(value, index * 4);
  return bytes;
};

function message(flags: number, sections: readonly Buffer[], end: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([int32(flags), ...sections, end]);
  return Buffer.concat([int32(body.length + 16, 7, 0, 2013), body]);
}

const bodySection = (document: Document): Buffer => Buffer.concat([Buffer.from([0]), serialize(document)]);

function sequence(name: string, documents: readonly Document[]): Buffer {
  const inner = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map((document) => serialize(document))]);
  return Buffer.concat([Buffer.from([1]), int32(inner.length + 4), inner]);
}

test("R54 messages are cut out of a stream wherever it is broken", () => {
  const frames = [message(0, [bodySection({ ping: 1 })]), message(0, [bodySection({ hello: 1, text: "x".repeat(100) })])];
  const stream = Buffer.concat(frames);
  for (const size of [1, 3, 7, 20, 64, stream.length]) {
    const reader = new FrameReader();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...reader.push(stream.subarray(at, at + size)));
    assert.deepEqual(
      found.map((frame) => frame.toString("hex")),
      frames.map((frame) => frame.toString("hex")),
    );
  }
  assert.throws(() => new FrameReader().push(int32(5, 0, 0, 2013)));
  assert.throws(() => new FrameReader().push(int32(200_000_000, 0, 0, 2013)));
});

test("R54 documents beside the body are found, before and behind it, with a checksum at the end or without", () => {
  const documents = [{ _id: 1 }, { _id: 2, s: "x" }];
  const sections = [bodySection({ insert: "a", $db: "b" }), sequence("documents", documents)];
  for (const order of [sections, sections.toReversed()]) {
    for (const flags of [0, 1]) {
      const parsed = parseMessage(message(flags, order, flags === 1 ? Buffer.alloc(4, 7) : undefined));
      assert.deepEqual(deserialize(parsed.body), { insert: "a", $db: "b" });
      assert.deepEqual(
        parsed.sequences.get("documents")?.map((raw) => deserialize(bytesOf(raw))),
        documents,
      );
    }
  }
  assert.equal(parseMessage(message(2, [bodySection({ ping: 1 })])).silent, true);
  assert.throws(() => parseMessage(message(0, [])));
});

test("R54 an old greeting is answered in the old form", () => {
  const query = Buffer.concat([int32(0), Buffer.from("admin.$cmd\0"), int32(0, -1), serialize({ isMaster: 1 })]);
  const parsed = parseMessage(Buffer.concat([int32(query.length + 16, 9, 0, 2004), query]));
  assert.deepEqual([parsed.legacyNs, deserialize(parsed.body)], ["admin.$cmd", { isMaster: 1 }]);
  const answer = Buffer.concat(frameReply(parsed, replyBytes({ fields: { ok: 1 } })));
  assert.deepEqual(
    [answer.readInt32LE(0), answer.readInt32LE(8), answer.readInt32LE(12), answer.readInt32LE(32)],
    [answer.length, 9, 1, 1],
  );
  assert.deepEqual(deserialize(answer.subarray(36)), { ok: 1 });
});

test("R54 an answer with thousands of spliced documents is the document that a serializer would write", () => {
  const documents = Array.from({ length: 12_345 }, (_, n) => ({ n }));
  const raws = documents.map((document) => rawOf(Buffer.from(serialize(document))));
  const bytes = Buffer.concat(
    replyBytes({ fields: { cursor: { id: 5, ns: "a.b" }, ok: 1 }, batch: { name: "nextBatch", documents: raws } }),
  );
  assert.equal(bytes.compare(serialize({ cursor: { nextBatch: documents, id: 5, ns: "a.b" }, ok: 1 })), 0);
});
