import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestFor, temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import { generateIdentity } from "../seal/keys.ts";
import { commitManifest, listBackupFolders, readManifest, readPart, removeBackup, removeUnfinished, storePart } from "./backups.ts";
import { putJson } from "./json-object.ts";
import { backupFolderName, manifestName, partName } from "./layout.ts";

const at = new Date("2026-11-21T03:00:00Z");
const id = "01kabcdefg1234";
const place = { source: "shop", folder: backupFolderName(at, "full", id) };

async function* of(...chunks: string[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield new TextEncoder().encode(chunk);
}

async function made(t: Parameters<typeof temporaryRepository>[0]) {
  const repository = await temporaryRepository(t);
  const { storage } = repository;
  const { identity, recipient } = await generateIdentity();
  const part = await storePart(
    storage,
    place,
    { name: "data", content: "pg_dump-custom", bytes: of("hello ", "rows") },
    { recipients: [recipient] },
  );
  const print = { ...part, name: "fingerprint", content: "fingerprint-json" };
  const manifest = manifestFor({ id, snapshotAt: at.toISOString(), parts: [part, print] });
  return { repository, storage, manifest, part, key: { identities: [identity] } };
}

test("R19 a part is read back unchanged, and the manifest makes it a backup", async (t) => {
  const { repository, storage, manifest, part, key } = await made(t);
  assert.equal(await readManifest(repository, place), undefined, "no manifest, no backup");
  await commitManifest(repository, place, manifest);
  const read = await readManifest(repository, place);
  assert.equal(read?.signedBy?.text, repository.trust.writer?.publicKey.text);
  assert.deepEqual(read?.value, { ...JSON.parse(JSON.stringify(manifest)), type: "manifest", repository: repository.identity.id });
  const chunks = [];
  for await (const chunk of readPart(storage, place, part, key)) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), "hello rows");
});

test("a body that fails leaves no part", async (t) => {
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

test("the remains of an unfinished backup are deleted, and its writer can no longer commit", async (t) => {
  const { repository, storage, manifest } = await made(t);
  assert.equal(await removeUnfinished(repository, place, at), true);
  const left = [];
  for await (const object of storage.list("sources/")) left.push(object.name);
  assert.deepEqual(left, []);
  // A writer that wakes up between the two halves of the removal finds the name taken.
  await putJson(storage, manifestName("shop", place.folder), { format: 0, abandoned: true });
  await assert.rejects(commitManifest(repository, place, manifest), (error) => isLifeboatError(error, "STORAGE_CONFLICT"));
});

test("a backup that was committed before the crash stays", async (t) => {
  const { repository, storage, manifest } = await made(t);
  await commitManifest(repository, place, manifest);
  assert.equal(await removeUnfinished(repository, place, at), false);
  assert.ok(await readManifest(repository, place));
  await removeBackup(repository, place, { now: () => at });
  assert.equal(await readManifest(repository, place), undefined);
  const folders = [];
  for await (const folder of listBackupFolders(storage, "shop")) folders.push(folder);
  assert.deepEqual(folders, []);
});

test("R20 locked parts do not prevent the end of the clean-up, and never become a backup", async (t) => {
  const { repository, storage, manifest } = await made(t);
  const locked: typeof storage = {
    ...storage,
    async delete(name, options) {
      if (name.includes("data")) throw new LifeboatError("STORAGE_REFUSED", `${name} is locked until 2027`);
      await storage.delete(name, options);
    },
  };
  const refusing = { ...repository, storage: locked };
  for (let n = 0; n < 2; n++) assert.equal(await removeUnfinished(refusing, place, at), true);
  assert.equal(await readManifest(repository, place), undefined);
  await assert.rejects(commitManifest(repository, place, manifest), (error) => isLifeboatError(error, "STORAGE_CONFLICT"));
});

test("a damaged or foreign manifest causes an integrity error with its name", async (t) => {
  const { repository, storage, manifest } = await made(t);
  const name = manifestName("shop", place.folder);
  const cases: [unknown, RegExp][] = [
    [{ ...manifest, source: "other" }, /belongs to another backup/],
    [{ ...manifest, id: "zz" }, /belongs to another backup/],
    [{ ...manifest, parts: [] }, /parts: a backup of kind full has no part named data or fingerprint/],
    [{ ...manifest, parts: [{ name: "data", plain: { sizeBytes: 1, sha256: "" } }] }, /parts.0./],
    [{ ...manifest, kind: "odd" }, /kind: /],
    [{ ...manifest, snapshotAt: "soon" }, /snapshotAt: /],
  ];
  for (const [value, message] of cases) {
    await putJson(storage, name, { type: "manifest", repository: repository.identity.id, ...(value as object) });
    await assert.rejects(readManifest(repository, place), (error) => isLifeboatError(error, "INTEGRITY") && message.test(error.message));
  }
  await putJson(storage, name, { ...manifest, format: 2 });
  await assert.rejects(readManifest(repository, place), (error) => isLifeboatError(error, "FORMAT_UNKNOWN"));
  await storage.put(name, new TextEncoder().encode("{ half"));
  await assert.rejects(readManifest(repository, place), (error) => isLifeboatError(error, "INTEGRITY"));
});
