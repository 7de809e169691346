// Undo sets: what brings back the state before a merge, sealed beside a signed record. Each belongs to the job that stored it.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { facts, format, hold, id, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { undoFolder, undoRecordName, undoSetName } from "./layout.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, deleteSigned, getSigned } from "./signed.ts";

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
  /** Tables of an archive. */
  readonly tables?: readonly string[] | undefined;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
  readonly hold?: { readonly by: string; readonly at: string; readonly reason?: string | undefined } | undefined;
}

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
  tables: maybe(list(prose)),
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
  const sealed = seal(bytes, key, { signal });
  await repository.storage.put(undoSetName(source, job), sealed.bytes, { signal });
  const record: UndoRecord = { format: 1, ...made, ...sealed.facts() };
  await changeSigned(repository, "undo", undoRecordName(source, job), schema, () => record);
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

/** Puts an undo set on hold, or ends its hold. */
export async function holdUndoSet(repository: Repository, { source, job }: UndoRecord, held: UndoRecord["hold"]): Promise<void> {
  await changeSigned(repository, "undo", undoRecordName(source, job), schema, (found) => found && { ...found, hold: held });
}

/** Removes an undo set. The record is deleted last, so that an interrupted removal can be repeated. */
export async function removeUndoSet(repository: Repository, { source, job }: UndoRecord): Promise<void> {
  await repository.storage.delete(undoSetName(source, job));
  await deleteSigned(repository, undoRecordName(source, job));
}
