// Journals of other jobs: found by time or by id.
import { isLifeboatError } from "../core/errors.ts";
import { timeOfId } from "../core/ids.ts";
import type { Storage } from "../ports/storage.ts";
import { type JobRecord, jobSchema, refuseOther } from "./journal.ts";
import { jobName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { getSigned, type Signed } from "./signed.ts";
import { Listing } from "./signed-cache.ts";

/** Reads the listed journals of one folder: those that were read before from a cache. Unreadable ones are left out. */
type ReadJournals = (
  folder: string,
  listing: Listing,
  read: (name: string) => Promise<Signed<JobRecord> | undefined>,
) => Promise<ReadonlyMap<string, Signed<JobRecord>>>;

/**
 * Yields the journals of jobs begun at or after the instant, newest first. Only the requested days are listed. Unreadable and unsigned
 * journals are skipped. Without `readAll`, each journal is read when it is its turn.
 */
export async function* jobsSince(
  repository: Repository,
  since: Date,
  signal?: AbortSignal,
  readAll?: ReadJournals,
): AsyncIterable<JobRecord> {
  const read = (name: string): ReturnType<typeof readJournal> => readJournal(repository, name, signal);
  for await (const folder of daysSince(repository.storage, since, signal)) {
    const listing = new Listing();
    for await (const object of repository.storage.list(folder, { signal })) listing.add(object);
    const known = await readAll?.(folder, listing, read);
    for (const name of [...listing.objects.keys()].sort().reverse()) {
      const found = known === undefined ? await readable(() => read(name)) : known.get(name);
      if (found?.signedBy === undefined) continue;
      if (new Date(found.value.startedAt) < since) return;
      yield found.value;
    }
  }
}

/** Yields the folders of the days, newest first, back to that of the instant. */
async function* daysSince(storage: Storage, since: Date, signal: AbortSignal | undefined): AsyncIterable<string> {
  const firstDay = since.toISOString().slice(0, 10).replaceAll("-", "/");
  for (const year of await foldersDescending(storage, "jobs/", signal)) {
    for (const month of await foldersDescending(storage, `jobs/${year}/`, signal)) {
      for (const day of await foldersDescending(storage, `jobs/${year}/${month}/`, signal)) {
        if (`${year}/${month}/${day}` < firstDay) return;
        yield `jobs/${year}/${month}/${day}/`;
      }
    }
  }
}

/** Reads the journal of the job with this id, which a trusted key signed. Undefined: there is none. */
export async function findJob(repository: Repository, id: string, signal?: AbortSignal): Promise<JobRecord | undefined> {
  for (const name of journalNames(id)) {
    const found = await readable(() => readJournal(repository, name, signal));
    if (found?.signedBy !== undefined) return found.value;
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

async function readJournal(repository: Repository, name: string, signal?: AbortSignal): Promise<Signed<JobRecord> | undefined> {
  const found = await getSigned(repository, "job", name, jobSchema, signal);
  if (found !== undefined) refuseOther(found.value, name);
  return found;
}

/** Undefined: it is damaged, or of a newer format. */
async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    return undefined;
  }
}

async function foldersDescending(storage: Storage, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const folders: string[] = [];
  for await (const folder of storage.listFolders(prefix, { signal })) folders.push(folder);
  return folders.reverse();
}
