// Records of points that a provider holds: what the provider does not know of them. The provider's own list says what exists;
// a record without its snapshot says nothing, a snapshot without a record was made by somebody else.
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import type { Hold } from "../core/restore-point.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { snapshotFingerprintName, snapshotRecordName, snapshotsFolder } from "./layout.ts";
import type { OpenKey, SealKey } from "./seal/keys.ts";
import { seal } from "./seal/seal.ts";
import { unseal } from "./seal/unseal.ts";
import { assertHoldable, fingerprintBytes } from "./whole.ts";

export interface SnapshotRecord {
  readonly format: 1;
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

/** Attempts to change a record that somebody else is changing at the same moment. */
const ATTEMPTS = 8;

export const holdOfRecord = ({ hold }: SnapshotRecord): Hold | undefined =>
  hold && { by: hold.by, at: new Date(hold.at), reason: hold.reason };

/** Writes a record for the first time. One that is there already is left as it is. */
export async function addSnapshotRecord(storage: Storage, record: SnapshotRecord): Promise<void> {
  try {
    await putJson(storage, snapshotRecordName(record.source, record.id), record, { ifAbsent: true });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
  }
}

export async function readSnapshotRecord(storage: Storage, source: string, id: string): Promise<SnapshotRecord | undefined> {
  const name = snapshotRecordName(source, id);
  const found = await getJson(storage, name);
  if (found === undefined) return undefined;
  if (found.format !== 1)
    throw new LifeboatError("FORMAT_UNKNOWN", `${name} has format ${String(found.format)}; this version knows format 1`);
  const broken = found.id !== id || Number.isNaN(Date.parse(String(found.time))) || Number.isNaN(Date.parse(String(found.createdAt)));
  if (broken) throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: its id or instants are unreadable`);
  return found as unknown as SnapshotRecord;
}

/** Every record of the source, by the provider's id. */
export async function listSnapshotRecords(storage: Storage, source: string, signal?: AbortSignal): Promise<Map<string, SnapshotRecord>> {
  const folder = snapshotsFolder(source);
  const ids: string[] = [];
  for await (const { name } of storage.list(folder, { signal }))
    if (name.endsWith(".json")) ids.push(name.slice(folder.length, -".json".length));
  const records = await Promise.all(ids.map((id) => readSnapshotRecord(storage, source, id)));
  return new Map(records.flatMap((record) => (record === undefined ? [] : [[record.id, record]])));
}

/** Changes a record and keeps the rest of it; a value of `undefined` takes a field away. No record: false. */
export async function changeSnapshotRecord(
  storage: Storage,
  source: string,
  id: string,
  change: Partial<SnapshotRecord>,
): Promise<boolean> {
  const name = snapshotRecordName(source, id);
  for (let attempt = 1; ; attempt++) {
    const facts = await storage.head(name);
    const found = facts && (await readSnapshotRecord(storage, source, id));
    if (facts === undefined || found === undefined) return false;
    try {
      await putJson(storage, name, { ...found, ...change }, { ifMatch: facts.etag });
      return true;
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT") || attempt === ATTEMPTS) throw error;
    }
  }
}

/** After its snapshot is gone. The record last: what is listed is what can still be cleaned. */
export async function removeSnapshotRecord(storage: Storage, source: string, id: string): Promise<void> {
  await storage.delete(snapshotFingerprintName(source, id));
  await storage.delete(snapshotRecordName(source, id));
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
  assertHoldable("fingerprint", record.fingerprint.plain.sizeBytes);
  const stored = storage.get(snapshotFingerprintName(record.source, record.id), { signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of unseal(stored, key, record.fingerprint)) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as Fingerprint;
}
