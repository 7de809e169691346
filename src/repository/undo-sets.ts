// Undo sets: what brings back the state before a merge or before tables were replaced, sealed beside a signed record. Each belongs to the
// job that stored it.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import type { HealthReason } from "../core/health.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { facts, format, hold, id, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { gatherFingerprint } from "./gather-fingerprint.ts";
import { undoFingerprintName, undoFolder, undoRecordName, undoSetName } from "./layout.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, deleteSigned, getSigned } from "./signed.ts";
import { assertReadable, fingerprintBytes } from "./whole.ts";

export interface UndoRecord {
  readonly format: 1;
  /** The job whose changes it undoes. */
  readonly job: string;
  readonly source: string;
  readonly verb: string;
  readonly madeAt: string;
  readonly expiresAt: string;
  /** The database that was changed, in words; `into` as it was asked for. Absent: the source itself. */
  readonly target: string;
  readonly into?: string | undefined;
  /** `changes`: rows by key. `archive`: whole tables as a dump, which replaces the ones that are there. */
  readonly content: "changes" | "archive";
  /** Of an archive. */
  readonly archive?: UndoArchive | undefined;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
  readonly hold?: { readonly by: string; readonly at: string; readonly reason?: string | undefined } | undefined;
}

/** Whole tables as they were. All names are qualified, and quoted where SQL requires it. */
export interface UndoArchive {
  readonly tables: readonly string[];
  /** Tables that the job created: an undo removes them. */
  readonly created: readonly string[];
  /** Only rows are brought back, into the tables as they are. */
  readonly rowsOnly: boolean;
  /** The sealed fingerprint of the tables before the job. */
  readonly before: SealedFacts;
  /** The same as the job left them. Absent: the job ended before it could tell. */
  readonly after?: SealedFacts | undefined;
}

interface SealedFacts {
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
}

const sealedFacts = z.looseObject({ plain: facts, stored: facts });

const schema: Schema<UndoRecord> = z.looseObject({
  format,
  job: id,
  source: segment,
  verb: word,
  madeAt: instant,
  expiresAt: instant,
  target: prose,
  into: maybe(prose),
  content: z.enum(["changes", "archive"]),
  archive: maybe(
    z.looseObject({
      tables: list(prose),
      created: list(prose),
      rowsOnly: z.boolean(),
      before: sealedFacts,
      after: maybe(sealedFacts),
    }),
  ),
  plain: facts,
  stored: facts,
  hold: maybe(hold),
});

/** Seals and stores an undo set, then its record. One that the job stored before is replaced. */
export async function storeUndoSet(
  repository: Repository,
  made: Omit<UndoRecord, "format" | "plain" | "stored">,
  bytes: AsyncIterable<Uint8Array>,
  key: SealKey,
  signal?: AbortSignal,
): Promise<UndoRecord> {
  const { source, job } = made;
  return storeRecord(repository, { ...made, ...(await storeSealed(repository, undoSetName(source, job), bytes, key, signal)) });
}

/** The same for whole tables. `fingerprint` is asked when the bytes have ended. */
export async function storeUndoArchive(
  repository: Repository,
  made: Omit<UndoRecord, "format" | "plain" | "stored" | "content" | "archive">,
  archive: Omit<UndoArchive, "before" | "after">,
  dump: { readonly bytes: AsyncIterable<Uint8Array>; readonly fingerprint: () => Promise<Fingerprint> },
  key: SealKey,
  signal?: AbortSignal,
): Promise<UndoRecord> {
  const { source, job } = made;
  const sealed = await storeSealed(repository, undoSetName(source, job), dump.bytes, key, signal);
  const before = await storeFingerprint(repository, made, "before", await dump.fingerprint(), key, signal);
  return storeRecord(repository, { ...made, content: "archive", archive: { ...archive, before }, ...sealed });
}

/** Records how the job has left the tables. Returns the record as it is now. */
export async function storeUndoAfter(
  repository: Repository,
  record: UndoRecord,
  fingerprint: Fingerprint,
  key: SealKey,
  signal?: AbortSignal,
): Promise<UndoRecord> {
  const { archive } = record;
  if (archive === undefined) throw new Error("an undo set of rows needs no fingerprint");
  const after = await storeFingerprint(repository, record, "after", fingerprint, key, signal);
  return storeRecord(repository, { ...record, archive: { ...archive, after } });
}

const storeFingerprint = (
  repository: Repository,
  { source, job }: Pick<UndoRecord, "source" | "job">,
  state: "before" | "after",
  fingerprint: Fingerprint,
  key: SealKey,
  signal?: AbortSignal,
): Promise<SealedFacts> =>
  storeSealed(repository, undoFingerprintName(source, job, state), oneChunk(fingerprintBytes(fingerprint)), key, signal);

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function storeSealed(
  { storage }: Repository,
  name: string,
  bytes: AsyncIterable<Uint8Array>,
  key: SealKey,
  signal?: AbortSignal,
): Promise<SealedFacts> {
  const sealed = seal(bytes, key, { signal });
  await storage.put(name, sealed.bytes, { signal });
  return sealed.facts();
}

async function storeRecord(repository: Repository, made: Omit<UndoRecord, "format">): Promise<UndoRecord> {
  const record: UndoRecord = { format: 1, ...made };
  await changeSigned(repository, "undo", undoRecordName(made.source, made.job), schema, () => record);
  return record;
}

/** Records of a source that a trusted key signed, oldest first. Others are reported to `onFlaw` and do not count. */
export async function listUndoSets(
  repository: Repository,
  source: string,
  signal?: AbortSignal,
  onFlaw: (flaw: HealthReason) => void = () => {},
): Promise<UndoRecord[]> {
  const folder = undoFolder(source);
  const jobs: string[] = [];
  for await (const { name } of repository.storage.list(folder, { signal }))
    if (name.endsWith(".json")) jobs.push(name.slice(folder.length, -".json".length));
  const records: UndoRecord[] = [];
  await readAll(jobs, async (job) => {
    const name = undoRecordName(source, job);
    try {
      const found = await getSigned(repository, "undo", name, schema, signal);
      if (found === undefined) return;
      if (found.signedBy === undefined) onFlaw({ code: "POINT_UNSIGNED", message: `${name} is not signed by a trusted key` });
      else if (found.value.job !== job || found.value.source !== source)
        onFlaw({ code: "OBJECT_UNREADABLE", message: `${name} is the record of another job` });
      else records.push(found.value);
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
      onFlaw({ code: "OBJECT_UNREADABLE", message: error.message });
    }
  });
  return records.sort((a, b) => (a.job < b.job ? -1 : 1));
}

/** The plain bytes; only their end proves that they are whole. INTEGRITY, WRONG_KEY. */
export const readUndoSet = ({ storage }: Repository, record: UndoRecord, key: OpenKey, signal?: AbortSignal): AsyncIterable<Uint8Array> =>
  unseal(storage.get(undoSetName(record.source, record.job), { signal }), key, record);

/** The tables before the job, or as it left them. Undefined: not recorded. INTEGRITY, WRONG_KEY. */
export async function readUndoFingerprint(
  { storage }: Repository,
  { source, job, archive }: UndoRecord,
  state: "before" | "after",
  key: OpenKey,
  signal?: AbortSignal,
): Promise<Fingerprint | undefined> {
  const sealed = archive?.[state];
  if (sealed === undefined) return undefined;
  assertReadable("fingerprint", sealed.plain.sizeBytes);
  return gatherFingerprint(unseal(storage.get(undoFingerprintName(source, job, state), { signal }), key, sealed));
}

/** Puts an undo set on hold, or ends its hold. */
export async function holdUndoSet(repository: Repository, { source, job }: UndoRecord, held: UndoRecord["hold"]): Promise<void> {
  await changeSigned(repository, "undo", undoRecordName(source, job), schema, (found) => found && { ...found, hold: held });
}

/** Removes what a job stored of an undo set without its record. `complete`: it has its record, and stays. */
export async function removeUnfinishedUndo(
  { storage }: Repository,
  source: string,
  job: string,
): Promise<"complete" | "removed" | "absent"> {
  if ((await storage.head(undoRecordName(source, job))) !== undefined) return "complete";
  const names = [undoSetName(source, job), undoFingerprintName(source, job, "before")];
  const there = await Promise.all(names.map(async (name) => (await storage.head(name)) !== undefined));
  for (const name of names) await storage.delete(name);
  return there.includes(true) ? "removed" : "absent";
}

/** Removes an undo set. The record is deleted last, so that an interrupted removal can be repeated. */
export async function removeUndoSet(repository: Repository, { source, job, archive }: UndoRecord): Promise<void> {
  if (archive !== undefined)
    for (const state of ["before", "after"] as const) await repository.storage.delete(undoFingerprintName(source, job, state));
  await repository.storage.delete(undoSetName(source, job));
  await deleteSigned(repository, undoRecordName(source, job));
}
