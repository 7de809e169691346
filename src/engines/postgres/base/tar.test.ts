import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { type TarEntry, TarReader } from "./tar.ts";
import { TAR_BLOCK_BYTES } from "./tar-header.ts";
import { archive, type Given, header } from "./testing.ts";

const GIVEN: readonly Given[] = [
  { path: "base/", type: "5" },
  { path: "base/1", content: Buffer.from("one") },
  { path: "empty" },
  { path: "full", content: Buffer.alloc(1024, 7) },
  { path: "pg_tblspc/16400/", type: "2", link: "/srv/fast disk" },
  { path: "odd", content: Buffer.alloc(1025, 9) },
];

interface Item extends TarEntry {
  readonly bytes: Buffer;
}

function read(bytes: Uint8Array, size = 512): Item[] {
  const reader = new TarReader();
  const items: Item[] = [];
  let chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const event of reader.feed(bytes.subarray(at, at + size))) {
      if (event.kind === "entry") chunks = [];
      else if (event.kind === "data") chunks.push(event.bytes);
      else items.push({ ...event.entry, bytes: Buffer.concat(chunks) });
    }
  }
  reader.end();
  return items;
}

const damaged = (words: RegExp) => (error: unknown) => isLifeboatError(error, "INTEGRITY") && words.test(error.message);

test("files, directories and links come as they were written, however the bytes come apart", () => {
  const bytes = archive(GIVEN);
  for (const size of [1, 7, 511, 512, 513, 4096, bytes.length]) {
    const items = read(bytes, size);
    assert.deepEqual(
      items.map(({ path, type, linkTarget, bytes }) => [path, type, linkTarget, bytes.length]),
      [
        ["base", "directory", undefined, 0],
        ["base/1", "file", undefined, 3],
        ["empty", "file", undefined, 0],
        ["full", "file", undefined, 1024],
        ["pg_tblspc/16400", "symlink", "/srv/fast disk", 0],
        ["odd", "file", undefined, 1025],
      ],
    );
    assert.equal(items[1]?.bytes.toString(), "one");
    assert.deepEqual(items[5]?.bytes, Buffer.alloc(1025, 9));
  }
});

test("an archive that ends early is never taken for a whole one, wherever it ends", () => {
  const bytes = archive(GIVEN);
  for (let length = 0; length < bytes.length; length += 256) {
    const reader = new TarReader();
    reader.feed(bytes.subarray(0, length));
    assert.throws(() => reader.end(), damaged(/ends early/), `${length} of ${bytes.length} bytes`);
  }
});

test("anything after the end is refused, empty blocks excepted", () => {
  const bytes = archive([{ path: "a" }]);
  read(Buffer.concat([bytes, Buffer.alloc(8 * TAR_BLOCK_BYTES)]));
  assert.throws(() => read(Buffer.concat([bytes, header({ path: "b" })])), damaged(/continues after its end/));
});

test("a changed byte in a header is found, and so is a path that leads out of the directory", () => {
  const bytes = archive(GIVEN);
  bytes[3] = 120;
  assert.throws(() => read(bytes), damaged(/checksum/));
  for (const path of [
    "/etc/passwd",
    "../up",
    "a/../../b",
    "a//b",
    "./../x",
    "..",
    "/",
    "//",
    "",
    ".//",
    "a/.",
    "a/..",
    "pg_tblspc/../../x",
  ]) {
    for (const type of ["0", "2", ...(path === ".//" ? [] : ["5"])]) {
      assert.throws(() => read(archive([{ path, type }])), damaged(/must not be written/), `${path} of type ${type}`);
    }
  }
  assert.throws(() => read(archive([{ path: "device", type: "3" }])), damaged(/unknown type/));
});

test("sizes above 8 GiB are read", () => {
  const size = Buffer.alloc(12);
  size[0] = 0x80;
  size.writeUIntBE(10 * 2 ** 30, 6, 6);
  const [event] = new TarReader().feed(header({ path: "large", size }));
  assert.equal(event?.entry.sizeBytes, 10 * 2 ** 30);
});

test("R56 an entry that is the directory itself is a directory, and never a file or a link", () => {
  for (const path of [".", "./", "././"]) {
    assert.deepEqual(
      read(archive([{ path, type: "5" }])).map(({ path, type }) => [path, type]),
      [[".", "directory"]],
    );
    for (const type of ["0", "2"]) assert.throws(() => read(archive([{ path, type, link: "/etc" }])), damaged(/must not be written/), path);
  }
});

test("R56 a link is that of a tablespace; any other is refused, wherever it leads", () => {
  for (const [path, link] of [
    ["pg_wal", "/etc"],
    ["base", "../.."],
    ["pg_tblspc", "/"],
    ["pg_tblspc/x", "/"],
    ["pg_tblspc/1/2", "/"],
  ] as const) {
    assert.throws(() => read(archive([{ path, type: "2", link }])), damaged(/must not be written/), path);
  }
});
