import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { readArchiveStart, readNotice, readRow } from "./command.ts";
import { MessageReader, type WireEvent } from "./wire.ts";

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const data = (text: string): Buffer => message("d", Buffer.from(text, "latin1"));

const STREAM = Buffer.concat([
  message("H", Buffer.from([0, 0, 0])),
  data("nbase.tar.zst\0\0"),
  data(`d${"x".repeat(700)}`),
  data("d"),
  data("p\0\0\0\0\0\0\x10\0"),
  data("dd is content, with any first bytes"),
  data("m"),
  message("c", Buffer.alloc(0)),
  message("Z", Buffer.from("I")),
]);

/** What was read, with the pieces of content joined: how they come apart means nothing. */
function read(bytes: Buffer, size: number): (readonly [string, string])[] {
  const reader = new MessageReader();
  const events: WireEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) events.push(...reader.feed(bytes.subarray(at, at + size)));
  const seen: [string, string][] = [];
  for (const event of events) {
    const last = seen.at(-1);
    if (event.kind !== "content") seen.push([`${event.kind} ${event.type}`, event.body.toString("latin1")]);
    else if (last?.[0] === "content") last[1] += Buffer.from(event.bytes).toString("latin1");
    else seen.push(["content", Buffer.from(event.bytes).toString("latin1")]);
  }
  return seen;
}

test("messages and content are told apart however the stream is cut", () => {
  const expected = [
    ["message H", "\0\0\0"],
    ["copy n", "nbase.tar.zst\0\0"],
    ["content", "x".repeat(700)],
    ["copy p", "p\0\0\0\0\0\0\x10\0"],
    ["content", "d is content, with any first bytes"],
    ["copy m", "m"],
    ["message c", ""],
    ["message Z", "I"],
  ];
  for (let size = 1; size <= STREAM.length; size++) assert.deepEqual(read(STREAM, size), expected, `in pieces of ${size}`);
});

test("an answer in another protocol is reported as one", () => {
  assert.throws(
    () => new MessageReader().feed(Buffer.from("H\0\0\0\0")),
    (error) => isLifeboatError(error, "SOURCE_UNREACHABLE"),
  );
});

test("rows, notices and the beginnings of archives are read", () => {
  const row = Buffer.alloc(2 + 4 + 3 + 4 + 4 + 0);
  row.writeInt16BE(3, 0);
  row.writeInt32BE(3, 2);
  row.write("0/2", 6);
  row.writeInt32BE(-1, 9);
  row.writeInt32BE(0, 13);
  assert.deepEqual(readRow(row), ["0/2", undefined, ""]);
  assert.deepEqual(readNotice(Buffer.from("SERROR\0C42501\0Mmust not\0\0")), { S: "ERROR", C: "42501", M: "must not" });
  assert.deepEqual(readArchiveStart(Buffer.from("n16400.tar\0/srv/fäst\0")), { name: "16400.tar", location: "/srv/fäst" });
});
