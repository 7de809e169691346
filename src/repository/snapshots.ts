// Records of points that a provider holds: what the provider does not know of them. The provider's own list says what exists;
// a record without its snapshot says nothing, a snapshot without a record was made by somebody else.
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
  /** Rises with every change: an older state that was put back shows. */
  readonly revision: number;
  /** The provider's id. */
  readonly id: string;
  readonly source: string;
  readonly form: "branch" | "snapshot";
  readonly name: string;
  /** ISO 8601, UTC; `time` is the instant whose data it holds. */
  readonly createdAt: string;
  readonly time: string;
  /** Name pattern of the policy's rule that it was made for; absent: by hand. */
  readonly rule?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly madeBy: string;
  readonly job: string;
  /** When it is to go. For one with a rule this is what was expected; the policy of today decides. */
  readonly expiresAt?: string | undefined;
  readonly hold?: { readonly by: string; readonly at: string; readonly reason?: string | undefined } | undefined;
  /** The deployment it was taken before. */
  readonly preDeploy?: string | undefined;
  /** The state before a restore or a promotion: the job that set it aside, and whether somebody accepted what that job did. */
  readonly kept?: { readonly job: string; readonly acceptedAt?: string | undefined } | undefined;
  readonly verifiedAt?: string | undefined;
  readonly damagedAt?: string | undefined;
  /** A fingerprint of its data lies beside this record. */
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

/** Writes a record for the first time, and gives it back. One that is there already is left as it is. */
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
 * A record that a trusted key has signed. Undefined: there is none, or what is there does not count; why is told to `onFlaw`. A point
 * without a record is one of another owner, which nothing removes.
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

/** Every record of the source that counts, by the provider's id. */
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

/** Changes a record and keeps the rest of it; a value of `undefined` removes a field. No record that counts: false. */
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

/** After its snapshot is gone. The record last: what is listed is what can still be cleaned. */
export async function removeSnapshotRecord(repository: Repository, source: string, id: string): Promise<void> {
  await repository.storage.delete(snapshotFingerprintName(source, id));
  await deleteSigned(repository, snapshotRecordName(source, id));
  repository.memory.seeRevision(snapshotRecordName(source, id), undefined);
}

/** Seals a snapshot's fingerprint beside where its record will lie. */
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
