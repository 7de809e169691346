import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { Manifest } from "../core/manifest.ts";
import { commitManifest, listBackupFolders, readManifest, readPart, removeBackup, removeUnfinished, storePart } from "./backups.ts";
import { putJson } from "./json-object.ts";
import { backupFolderName, manifestName, partName } from "./layout.ts";
import { generateIdentity } from "./seal/keys.ts";

const at = new Date("2026-11-21T03:00:00Z");
const id = "01kabcdefg1234";
const place = { source: "shop", folder: backupFolderName(at, "full", id) };

async function* of(...chunks: string[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield new TextEncoder().encode(chunk);
}

async function made(t: Parameters<typeof temporaryRepository>[0]) {
  const { storage } = await temporaryRepository(t);
  const { identity, recipient } = await generateIdentity();
  const part = await storePart(
    storage,
    place,
    { name: "data", content: "pg_dump-custom", bytes: of("hello ", "rows") },
    { recipients: [recipient] },
  );
  const manifest = {
    format: 1,
    id,
    source: "shop",
    kind: "full",
    snapshotAt: at.toISOString(),
    endedAt: at.toISOString(),
    parts: [part],
    fingerprint: {},
  } as unknown as Manifest;
  return { storage, manifest, part, key: { identities: [identity] } };
}

test("R19 a part comes back as it went in, and the manifest makes it a backup", async (t) => {
  const { storage, manifest, part, key } = await made(t);
  assert.equal(await readManifest(storage, place), undefined, "no manifest, no backup");
  await commitManifest(storage, place, manifest);
  assert.deepEqual(await readManifest(storage, place), JSON.parse(JSON.stringify(manifest)));
  const chunks = [];
  for await (const chunk of readPart(storage, place, part, key)) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), "hello rows");
});

test("a body that fails leaves no part behind", async (t) => {
  const { storage } = await temporaryRepository(t);
  const { recipient } = await generateIdentity();
  async function* broken(): AsyncIterable<Uint8Array> {
    yield new Uint8Array(1000);
    throw new Error("the tool died");
  }
  await assert.rejects(
    storePart(storage, place, { name: "data", content: "x", bytes: broken() }, { recipients: [recipient] }),
    /the tool died/,
  );
  assert.equal(await storage.head(partName("shop", place.folder, "data")), undefined);
});

test("what an unfinished backup left is removed, and its writer can commit no more", async (t) => {
  const { storage, manifest } = await made(t);
  assert.equal(await removeUnfinished(storage, place, at), true);
  const left = [];
  for await (const object of storage.list("sources/")) left.push(object.name);
  assert.deepEqual(left, []);
  // A writer that wakes between the two halves of the removal finds the name taken.
  await putJson(storage, manifestName("shop", place.folder), { format: 0, abandoned: true });
  await assert.rejects(commitManifest(storage, place, manifest), (error) => isLifeboatError(error, "STORAGE_CONFLICT"));
});

test("a backup that was committed before the crash stays", async (t) => {
  const { storage, manifest } = await made(t);
  await commitManifest(storage, place, manifest);
  assert.equal(await removeUnfinished(storage, place, at), false);
  assert.ok(await readManifest(storage, place));
  await removeBackup(storage, place);
  assert.equal(await readManifest(storage, place), undefined);
  const folders = [];
  for await (const folder of listBackupFolders(storage, "shop")) folders.push(folder);
  assert.deepEqual(folders, []);
});

test("a damaged or foreign manifest is an integrity error that names it", async (t) => {
  const { storage, manifest } = await made(t);
  const name = manifestName("shop", place.folder);
  const cases: [unknown, RegExp][] = [
    [{ ...manifest, source: "other" }, /belongs to another backup/],
    [{ ...manifest, id: "zz" }, /belongs to another backup/],
    [{ ...manifest, parts: [] }, /lists no parts/],
    [{ ...manifest, parts: [{ name: "data", plain: { sizeBytes: 1, sha256: "" } }] }, /no sizes or digests/],
    [{ ...manifest, kind: "odd" }, /its kind is odd/],
    [{ ...manifest, snapshotAt: "soon" }, /instants/],
  ];
  for (const [value, message] of cases) {
    await putJson(storage, name, value);
    await assert.rejects(readManifest(storage, place), (error) => isLifeboatError(error, "INTEGRITY") && message.test(error.message));
  }
  await putJson(storage, name, { ...manifest, format: 2 });
  await assert.rejects(readManifest(storage, place), (error) => isLifeboatError(error, "FORMAT_UNKNOWN"));
  await storage.put(name, new TextEncoder().encode("{ half"));
  await assert.rejects(readManifest(storage, place), (error) => isLifeboatError(error, "INTEGRITY"));
});
