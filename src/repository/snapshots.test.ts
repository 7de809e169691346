import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import { generateIdentity, parseIdentityFile } from "./seal/keys.ts";
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

const record: SnapshotRecord = {
  format: 1,
  id: "br-cool-tree-12345678",
  source: "shop",
  form: "branch",
  name: "backup-2026-11-21",
  createdAt: "2026-11-21T03:00:00.000Z",
  time: "2026-11-21T03:00:00.000Z",
  madeBy: "ann@host",
  job: "j",
};

test("a record is written once: a second writer changes nothing", async (t) => {
  const { storage } = await temporaryRepository(t);
  await addSnapshotRecord(storage, record);
  await addSnapshotRecord(storage, { ...record, name: "another" });
  assert.equal((await readSnapshotRecord(storage, "shop", record.id))?.name, "backup-2026-11-21");
  assert.deepEqual([...(await listSnapshotRecords(storage, "shop")).keys()], [record.id]);
});

test("changes at the same moment are all kept, and one of undefined takes a field away", async (t) => {
  const { storage } = await temporaryRepository(t);
  await addSnapshotRecord(storage, { ...record, note: "gone soon" });
  await Promise.all([
    changeSnapshotRecord(storage, "shop", record.id, { verifiedAt: record.time }),
    changeSnapshotRecord(storage, "shop", record.id, { reason: "kept" }),
    changeSnapshotRecord(storage, "shop", record.id, { note: undefined }),
  ]);
  const { verifiedAt, reason, note } = (await readSnapshotRecord(storage, "shop", record.id)) ?? {};
  assert.deepEqual([verifiedAt, reason, note], [record.time, "kept", undefined]);
  assert.equal(await changeSnapshotRecord(storage, "shop", "br-none", { reason: "x" }), false);
});

test("a fingerprint lies sealed beside its record, is read back as it was, and goes with it", async (t) => {
  const { storage } = await temporaryRepository(t);
  const { identity, recipient } = await generateIdentity();
  const fingerprint = { algorithm: "test", tables: { "public.t": { rows: 1, digest: "1" } } } as unknown as Fingerprint;
  const facts = await storeSnapshotFingerprint(storage, "shop", record.id, fingerprint, { recipients: [recipient] });
  await addSnapshotRecord(storage, { ...record, fingerprint: facts });
  const read = (await readSnapshotRecord(storage, "shop", record.id)) as SnapshotRecord;
  const key = { identities: await parseIdentityFile(identity, "test") };
  assert.deepEqual(await readSnapshotFingerprint(storage, read, key), fingerprint);
  await removeSnapshotRecord(storage, "shop", record.id);
  const left = [];
  for await (const { name } of storage.list("sources/")) left.push(name);
  assert.deepEqual(left, []);
});

test("a damaged record is named, not taken for nothing", async (t) => {
  const { storage } = await temporaryRepository(t);
  await storage.put(`sources/shop/snapshots/${record.id}.json`, new TextEncoder().encode('{"format":1,"id":"other"}'));
  await assert.rejects(
    listSnapshotRecords(storage, "shop"),
    (error) => isLifeboatError(error, "INTEGRITY") && error.message.includes(record.id),
  );
});
