// Records of a provider's snapshots, with facts that the provider does not store. The provider's list decides what exists: a record
// without its snapshot has no meaning, and a snapshot without a record was made by another owner.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import type { HealthReason } from "../core/health.ts";
import type { Hold } from "../core/restore-point.ts";
import type { Storage } from "../ports/storage.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { count, facts, format, hold, id, instant, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { gatherFingerprint } from "./gather-fingerprint.ts";
import { snapshotFingerprintName, snapshotRecordName, snapshotsFolder } from "./layout.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, deleteSigned, getSigned, putSigned } from "./signed.ts";
import { assertReadable, fingerprintBytes } from "./whole.ts";

export interface SnapshotRecord {
  readonly format: 1;
  /** Increases with every change, so that a rollback to an older state is detected. */
  readonly revision: number;
  /** The provider's id. */
  readonly id: string;
  readonly source: string;
  readonly form: "branch" | "snapshot";
  readonly name: string;
  /** In ISO 8601 UTC. `time` is the instant of its data. */
  readonly createdAt: string;
  readonly time: string;
  /** The name pattern of its policy rule. Absent: made by hand. */
  readonly rule?: string | undefined;
  /** It serves the slots of its rule up to this instant, by the clock of the machine that made it. Absent: not recorded. */
  readonly servesTo?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly madeBy: string;
  readonly job: string;
  /** Its expiry. With a rule this is the expected one; the present policy decides. */
  readonly expiresAt?: string | undefined;
  readonly hold?: { readonly by: string; readonly at: string; readonly reason?: string | undefined } | undefined;
  /** The deployment that it precedes. */
  readonly preDeploy?: string | undefined;
  /** For the state before a restore or promotion: the job that kept it, and whether that job was accepted. */
  readonly kept?: { readonly job: string; readonly acceptedAt?: string | undefined } | undefined;
  readonly verifiedAt?: string | undefined;
  readonly damagedAt?: string | undefined;
  /** A fingerprint of its data is stored beside this record. */
  readonly fingerprint?: { readonly plain: ByteFacts; readonly stored: ByteFacts } | undefined;
}

export const snapshotSchema: Schema<SnapshotRecord> = z.looseObject({
  format,
  revision: count,
  id: segment,
  source: segment,
  form: z.enum(["branch", "snapshot"]),
  name: word,
  createdAt: instant,
  time: instant,
  rule: maybe(word),
  servesTo: maybe(instant),
  reason: maybe(prose),
  note: maybe(prose),
  madeBy: word,
  job: id,
  expiresAt: maybe(instant),
  hold: maybe(hold),
  preDeploy: maybe(word),
  kept: maybe(z.looseObject({ job: id, acceptedAt: maybe(instant) })),
  verifiedAt: maybe(instant),
  damagedAt: maybe(instant),
  fingerprint: maybe(z.looseObject({ plain: facts, stored: facts })),
});

export const holdOfRecord = ({ hold }: SnapshotRecord): Hold | undefined =>
  hold && { by: hold.by, at: new Date(hold.at), reason: hold.reason };

/** Writes a new record and returns it. An existing one is unchanged. */
export async function addSnapshotRecord(
  repository: Repository,
  made: Omit<SnapshotRecord, "format" | "revision">,
): Promise<SnapshotRecord> {
  const name = snapshotRecordName(made.source, made.id);
  const record: SnapshotRecord = { format: 1, ...made, revision: (repository.memory.revision(name) ?? 0) + 1 };
  try {
    await putSigned(repository, "snapshot", name, record, { ifAbsent: true });
    repository.memory.seeRevision(name, record.revision);
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
  }
  return record;
}

/**
 * Reads a record that a trusted key signed. Undefined: there is none, or it does not count, with the reason reported to `onFlaw`. A
 * snapshot without a record belongs to another owner and is never deleted.
 */
export async function readSnapshotRecord(
  repository: Repository,
  source: string,
  id: string,
  signal?: AbortSignal,
  onFlaw: (flaw: HealthReason) => void = () => {},
): Promise<SnapshotRecord | undefined> {
  const name = snapshotRecordName(source, id);
  const { memory } = repository;
  try {
    const found = await getSigned(repository, "snapshot", name, snapshotSchema, signal);
    if (found === undefined) return undefined;
    const { value, signedBy } = found;
    const known = memory.revision(name) ?? 0;
    if (value.id !== id || value.source !== source)
      onFlaw({ code: "OBJECT_UNREADABLE", message: `${name} is the record of another point` });
    else if (signedBy === undefined) onFlaw({ code: "POINT_UNSIGNED", message: `${name} is not signed by a trusted key` });
    else if (value.revision < known)
      onFlaw({ code: "MARKS_ROLLED_BACK", message: `${name} is older than it was: revision ${value.revision} after ${known}` });
    else {
      if (value.revision > known) memory.seeRevision(name, value.revision);
      return value;
    }
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    onFlaw({ code: "OBJECT_UNREADABLE", message: error.message });
  }
  return undefined;
}

/** Reads all valid records of the source, by the provider's id. */
export async function listSnapshotRecords(
  repository: Repository,
  source: string,
  signal?: AbortSignal,
  onFlaw?: (flaw: HealthReason) => void,
): Promise<Map<string, SnapshotRecord>> {
  const folder = snapshotsFolder(source);
  const ids: string[] = [];
  for await (const { name } of repository.storage.list(folder, { signal }))
    if (name.endsWith(".json")) ids.push(name.slice(folder.length, -".json".length));
  const records = new Map<string, SnapshotRecord>();
  await readAll(ids, async (id) => {
    const record = await readSnapshotRecord(repository, source, id, signal, onFlaw);
    if (record !== undefined) records.set(id, record);
  });
  return new Map([...records].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Changes some fields of a record. A value of `undefined` deletes a field. Returns false without a valid record. */
export async function changeSnapshotRecord(
  repository: Repository,
  source: string,
  id: string,
  change: Partial<SnapshotRecord>,
): Promise<boolean> {
  const name = snapshotRecordName(source, id);
  const { memory } = repository;
  let changed = false;
  const record = await changeSigned(repository, "snapshot", name, snapshotSchema, (found) => {
    const known = memory.revision(name) ?? 0;
    changed = found !== undefined && found.revision >= known;
    return changed && found !== undefined ? { ...found, ...change, revision: found.revision + 1 } : undefined;
  });
  if (changed && record !== undefined) memory.seeRevision(name, record.revision);
  return changed;
}

/** Deletes a record after its snapshot. The record is deleted last, so that its other objects can still be found. */
export async function removeSnapshotRecord(repository: Repository, source: string, id: string): Promise<void> {
  await repository.storage.delete(snapshotFingerprintName(source, id));
  await deleteSigned(repository, snapshotRecordName(source, id));
  repository.memory.seeRevision(snapshotRecordName(source, id), undefined);
}

/** Seals and stores a snapshot's fingerprint beside its future record. */
export async function storeSnapshotFingerprint(
  storage: Storage,
  source: string,
  id: string,
  fingerprint: Fingerprint,
  key: SealKey,
  signal?: AbortSignal,
): Promise<NonNullable<SnapshotRecord["fingerprint"]>> {
  const sealed = seal(
    (async function* () {
      yield fingerprintBytes(fingerprint);
    })(),
    key,
    { signal },
  );
  await storage.put(snapshotFingerprintName(source, id), sealed.bytes, { signal });
  return sealed.facts();
}

export async function readSnapshotFingerprint(
  storage: Storage,
  record: SnapshotRecord,
  key: OpenKey,
  signal?: AbortSignal,
): Promise<Fingerprint | undefined> {
  if (record.fingerprint === undefined) return undefined;
  assertReadable("fingerprint", record.fingerprint.plain.sizeBytes);
  const stored = storage.get(snapshotFingerprintName(record.source, record.id), { signal });
  return gatherFingerprint(unseal(stored, key, record.fingerprint));
}
