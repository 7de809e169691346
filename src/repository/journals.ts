// Journals of other jobs: found by time or by id, and read once.
import { isLifeboatError } from "../core/errors.ts";
import { timeOfId } from "../core/ids.ts";
import type { ObjectInfo, Storage } from "../ports/storage.ts";
import { type JobRecord, jobSchema, refuseOther } from "./journal.ts";
import { jobName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { getSigned, objectOfSignature } from "./signed.ts";

/**
 * Yields the journals of jobs begun at or after the instant, newest first. Only the requested days are read. Unreadable and unsigned
 * journals are reported to `onFlaw` and skipped.
 */
export async function* jobsSince(
  repository: Repository,
  since: Date,
  signal?: AbortSignal,
  onFlaw: (message: string) => void = () => {},
): AsyncIterable<JobRecord> {
  const { storage } = repository;
  const firstDay = since.toISOString().slice(0, 10).replaceAll("-", "/");
  for (const year of await foldersDescending(storage, "jobs/", signal)) {
    for (const month of await foldersDescending(storage, `jobs/${year}/`, signal)) {
      for (const day of await foldersDescending(storage, `jobs/${year}/${month}/`, signal)) {
        if (`${year}/${month}/${day}` < firstDay) return;
        const found: ObjectInfo[] = [];
        for await (const info of storage.list(`jobs/${year}/${month}/${day}/`, { signal })) {
          if (objectOfSignature(info.name) === undefined) found.push(info);
        }
        for (const info of found.reverse()) {
          const record = await readOnce(repository, info, signal, onFlaw);
          if (record !== undefined && new Date(record.startedAt) < since) return;
          if (record !== undefined) yield record;
        }
      }
    }
  }
}

/** Reads the journal of the job with this id, which a trusted key signed. Undefined: there is none. */
export async function findJob(repository: Repository, id: string, signal?: AbortSignal): Promise<JobRecord | undefined> {
  for (const name of journalNames(id)) {
    const record = await readJob(repository, name, signal, () => {});
    if (record !== undefined) return record;
  }
  return undefined;
}

/** Clocks of the caller and of this machine may differ a little. */
export const ID_AHEAD_MS = 1000;
const DAY_MS = 86_400_000;

/** Where the journal of a job can be: it is stored under the day on which the job began, and its id may have been made the day before. */
export const journalNames = (id: string): ReadonlySet<string> => {
  const madeAt = timeOfId(id).getTime();
  return new Set([madeAt - ID_AHEAD_MS, madeAt, madeAt + DAY_MS].map((at) => jobName(new Date(at), id)));
};

/** Journals that this process has read, by name, each with the version that it read. A fleet has thousands a day, and each beat looks at them. */
const READ = new WeakMap<Repository, Map<string, { readonly etag: string; readonly record: JobRecord }>>();
const MOST_READ = 10_000;

async function readOnce(
  repository: Repository,
  { name, etag }: ObjectInfo,
  signal: AbortSignal | undefined,
  onFlaw: (message: string) => void,
): Promise<JobRecord | undefined> {
  const read = READ.get(repository) ?? new Map();
  READ.set(repository, read);
  const known = read.get(name);
  if (known?.etag === etag) return known.record;
  const record = await readJob(repository, name, signal, onFlaw);
  if (read.size >= MOST_READ) read.clear();
  if (record !== undefined && record.state !== "running") read.set(name, { etag, record });
  return record;
}

async function readJob(
  repository: Repository,
  name: string,
  signal: AbortSignal | undefined,
  onFlaw: (message: string) => void,
): Promise<JobRecord | undefined> {
  try {
    const found = await getSigned(repository, "job", name, jobSchema, signal);
    if (found === undefined) return undefined;
    refuseOther(found.value, name);
    if (found.signedBy !== undefined) return found.value;
    onFlaw(`${name} is not signed by a trusted key`);
    return undefined;
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    onFlaw(error.message);
    return undefined;
  }
}

async function foldersDescending(storage: Storage, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const folders: string[] = [];
  for await (const folder of storage.listFolders(prefix, { signal })) folders.push(folder);
  return folders.reverse();
}
