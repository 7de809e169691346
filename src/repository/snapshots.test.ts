import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryRepository } from "../../test/support/repository.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import { generateIdentity, parseIdentityFile } from "../seal/keys.ts";
import {
  addSnapshotRecord,
  changeSnapshotRecord,
  listSnapshotRecords,
  readSnapshotFingerprint,
  readSnapshotRecord,
  removeSnapshotRecord,
  type SnapshotRecord,
  storeSnapshotFingerprint,
} from "./snapshots.ts";

const record = {
  id: "br-cool-tree-12345678",
  source: "shop",
  form: "branch" as const,
  name: "backup-2026-11-21",
  createdAt: "2026-11-21T03:00:00.000Z",
  time: "2026-11-21T03:00:00.000Z",
  madeBy: "ann@host",
  job: "j",
};

test("a record is written once, and a second writer changes nothing", async (t) => {
  const repository = await temporaryRepository(t);
  await addSnapshotRecord(repository, record);
  await addSnapshotRecord(repository, { ...record, name: "another" });
  assert.equal((await readSnapshotRecord(repository, "shop", record.id))?.name, "backup-2026-11-21");
  assert.deepEqual([...(await listSnapshotRecords(repository, "shop")).keys()], [record.id]);
});

test("concurrent changes are all kept, and a value of undefined deletes a field", async (t) => {
  const repository = await temporaryRepository(t);
  await addSnapshotRecord(repository, { ...record, note: "gone soon" });
  await Promise.all([
    changeSnapshotRecord(repository, "shop", record.id, { verifiedAt: record.time }),
    changeSnapshotRecord(repository, "shop", record.id, { reason: "kept" }),
    changeSnapshotRecord(repository, "shop", record.id, { note: undefined }),
  ]);
  const { verifiedAt, reason, note } = (await readSnapshotRecord(repository, "shop", record.id)) ?? {};
  assert.deepEqual([verifiedAt, reason, note], [record.time, "kept", undefined]);
  assert.equal(await changeSnapshotRecord(repository, "shop", "br-none", { reason: "x" }), false);
});

test("a fingerprint is stored sealed beside its record, read back unchanged, and deleted with it", async (t) => {
  const repository = await temporaryRepository(t);
  const { identity, recipient } = await generateIdentity();
  const fingerprint: Fingerprint = {
    algorithm: "test",
    scope: { kind: "full" },
    tables: { "public.t": { rows: 1, digest: "1" } },
    sequences: {},
    schema: {},
    outside: [],
    unhashed: [],
  };
  const facts = await storeSnapshotFingerprint(repository.storage, "shop", record.id, fingerprint, { recipients: [recipient] });
  await addSnapshotRecord(repository, { ...record, fingerprint: facts });
  const read = (await readSnapshotRecord(repository, "shop", record.id)) as SnapshotRecord;
  const key = { identities: await parseIdentityFile(identity, "test") };
  assert.deepEqual(await readSnapshotFingerprint(repository.storage, read, key), fingerprint);
  await removeSnapshotRecord(repository, "shop", record.id);
  const left = [];
  for await (const { name } of repository.storage.list("sources/")) left.push(name);
  assert.deepEqual(left, []);
});

test("R56 a damaged or unsigned record of a snapshot is named and does not count", async (t) => {
  const repository = await temporaryRepository(t);
  const name = `sources/shop/snapshots/${record.id}.json`;
  const flaws: string[] = [];
  const list = () => listSnapshotRecords(repository, "shop", undefined, ({ code, message }) => flaws.push(`${code} ${message}`));
  await repository.storage.put(name, new TextEncoder().encode('{"format":1,"id":"other"}'));
  assert.equal((await list()).size, 0);
  assert.match(flaws.join(), new RegExp(`^OBJECT_UNREADABLE ${name}`));
  const planted = { ...record, format: 1, revision: 1, type: "snapshot", repository: repository.identity.id };
  await repository.storage.put(name, new TextEncoder().encode(JSON.stringify(planted)));
  flaws.length = 0;
  assert.equal((await list()).size, 0);
  assert.match(flaws.join(), new RegExp(`^POINT_UNSIGNED ${name}`));
});

test("R56 a record of a snapshot that was rolled back is named and does not count", async (t) => {
  const repository = await temporaryRepository(t);
  await addSnapshotRecord(repository, record);
  const older: [string, Uint8Array][] = [];
  for await (const { name } of repository.storage.list("sources/shop/snapshots/")) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of repository.storage.get(name)) chunks.push(chunk);
    older.push([name, Buffer.concat(chunks)]);
  }
  await changeSnapshotRecord(repository, "shop", record.id, { hold: { by: "ann", at: record.time } });
  assert.ok((await listSnapshotRecords(repository, "shop")).get(record.id)?.hold);
  for (const [name, bytes] of older) await repository.storage.put(name, bytes);
  const flaws: string[] = [];
  assert.equal((await listSnapshotRecords(repository, "shop", undefined, ({ code }) => flaws.push(code))).size, 0);
  assert.deepEqual(flaws, ["MARKS_ROLLED_BACK"]);
});
