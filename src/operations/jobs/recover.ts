// Cleans up after jobs whose process died: at every start of a job, and with `jobs recover` on request.
import { setTimeout } from "node:timers/promises";
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Progress, silentProgress } from "../../ports/progress.ts";
import type { Resource } from "../../ports/resource.ts";
import { isRefusal, type Storage } from "../../ports/storage.ts";
import { Journal } from "../../repository/journal.ts";
import { type FoundLease, isAbandoned, isSilent, lifeOfJob, listLeases } from "../../repository/lease-files.ts";
import { takeOverLease } from "../../repository/leases.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Watch } from "../context.ts";
import { placesOf } from "./holders.ts";
import { makerOf } from "./maker.ts";
import { type Left, resourceInWords, type Undoing, undo, undoForeign } from "./undo.ts";

export interface Recovered {
  readonly job: string;
  readonly verb: string;
  readonly source: string;
  readonly startedAt: string;
  readonly removed: readonly Resource[];
  /** What could not be removed from here, and why. The next start tries again. */
  readonly left: readonly Left[];
  /** The state of production, in sentences, where the job had begun to change it. */
  readonly says: readonly string[];
}

/** Closes every job whose holder is dead: undoes what its journal lists, marks it failed, releases its lease, and notes it. */
export async function recoverJobs(context: Context, progress: Progress): Promise<Recovered[]> {
  const recovered: Recovered[] = [];
  for (const place of await placesOf(context)) {
    const { leases, at, leftovers } = await listLeases(place);
    for (const name of leftovers) await removeQuietly(place.storage, name);
    for (const found of leases) {
      if (!isAbandoned(place, found, at)) continue;
      try {
        const closed = await recoverOne(context, place, found, progress);
        if (closed) recovered.push(closed);
      } catch (error) {
        // One job that cannot be cleaned up must not block all others. Its lease stays, so that the next start finds it.
        const { job, verb, source, acquiredAt, journal } = found.record;
        const why = asLifeboatError(error).message;
        recovered.push({
          job,
          verb,
          source,
          startedAt: acquiredAt,
          removed: [],
          left: [{ kind: "job", locator: { journal }, why }],
          says: [],
        });
        progress.note(`could not clean up after job ${job} (${verb} of ${source}): ${why}; the next start tries again`);
      }
    }
  }
  return recovered;
}

/**
 * Cleans up before a job begins. A failure is a note and does not stop the job. With `timeoutMs`, a clean-up that takes
 * longer continues beside the job without notes; the next start does what it did not finish.
 */
export async function tidy(context: Context, { signal, progress }: Watch, timeoutMs?: number): Promise<void> {
  let told = true;
  const notes: Progress = { ...silentProgress, note: (message) => (told ? progress.note(message) : undefined) };
  const cleaning = recoverJobs(context, notes).catch((error: unknown) => {
    if (!signal.aborted) notes.note(`could not clean up after jobs that ended: ${asLifeboatError(error).message}`);
  });
  if (timeoutMs === undefined) {
    await cleaning;
    return;
  }
  const timeouts = new AbortController();
  const over = setTimeout(timeoutMs, "late", { signal: timeouts.signal }).catch(() => "done");
  if ((await Promise.race([cleaning, over])) === "late") {
    progress.note("the clean-up after dead jobs takes long and continues beside this one");
    told = false;
  }
  timeouts.abort();
}

/** False: the credentials do not allow the removal, or the storage does not accept the name. */
async function removeQuietly(storage: Storage, name: string): Promise<boolean> {
  try {
    await storage.delete(name);
    return true;
  } catch (error) {
    if (!isRefusal(error) && !isLifeboatError(error, "NAME_INVALID")) throw error;
    return false;
  }
}

async function recoverOne(context: Context, place: Repository, found: FoundLease, progress: Progress): Promise<Recovered | undefined> {
  const { clock } = context;
  const { job, verb, source, acquiredAt, journal: name } = found.record;
  // A lease can be forged over the journal of a live job: the journal says whose process runs.
  const before = await Journal.reopen(place, clock, name);
  if (before?.record.state === "running" && lifeOfJob({ job, owner: before.record.owner }) === "alive") return undefined;
  const lease = await takeOverLease(place, found, clock);
  if (lease === undefined) return undefined; // another process is at it
  try {
    const journal = await Journal.reopen(place, clock, name);
    const { removed, left, says } = journal === undefined ? { removed: [], left: [], says: [] } : await close(context, place, journal);
    if (left.length === 0) await lease.release();
    await context.audit?.record({ event: "closed", operation: verb, source, job, outcome: left.length === 0 ? "done" : "left" });
    const who = `job ${job} (${verb} of ${source}, begun ${acquiredAt}), whose process had ended`;
    progress.note(left.length === 0 ? `cleaned up after ${who}` : `could not clean up everything after ${who}`);
    for (const one of removed) progress.note(`  removed: ${resourceInWords(one)}`);
    for (const one of left) progress.note(`  still there: ${resourceInWords(one)}: ${one.why}`);
    for (const sentence of says) progress.note(`  ${sentence}`);
    return { job, verb, source, startedAt: acquiredAt, removed, left, says };
  } finally {
    await lease.abandon(); // unless it is released: it is tried again
  }
}

/** Undoes as far as the journal's signature allows. A journal that still lists something keeps its signature: only its own writer rewrites it. */
async function close(context: Context, place: Repository, journal: Journal): Promise<Undoing> {
  const { trust, memory } = place;
  const { id, state } = journal.record;
  const { signedBy } = journal;
  const leave = (why: string): Undoing => ({ removed: [], left: [{ kind: "job", locator: { journal: journal.name }, why }], says: [] });
  if (signedBy === undefined) {
    return leave("no trusted key has signed its journal, so nothing in it is acted upon; next: remove journal and lease from the storage");
  }
  if (journal.open().length > 0 && memory.jobState(id) === "ended") {
    return leave("it ended on this machine, and its journal was put back since; next: remove its lease from the storage");
  }
  const isOwn = signedBy.text === trust.writer?.publicKey.text;
  const undoing = await (isOwn
    ? undo(
        context,
        journal,
        makerOf(() => place, id),
      )
    : undoForeign(context, journal));
  if (undoing.left.length > 0 && !isOwn) return undoing;
  if (!isOwn) for (const resource of journal.open()) await journal.withdraw(resource);
  const rest = undoing.left.length === 0 ? "what it left was removed" : "some of what it left is still there";
  for (const sentence of undoing.says) journal.decide(sentence, "the process of the job had ended");
  if (state === "running") await journal.end({ error: new LifeboatError("CANCELLED", `its process ended before it did; ${rest}`) });
  if (undoing.left.length === 0) memory.jobEnded(id);
  return undoing;
}

export interface Discarded {
  /** Name of the object. */
  readonly name: string;
  /** What is wrong with it, in one sentence. */
  readonly message: string;
  readonly removed: boolean;
}

/**
 * Removes the files among the leases that are not leases and that no heartbeat has renewed for a lease's term: they belong to
 * no job. Younger ones stay, and those that the credentials may not remove.
 */
export async function discardFlaws({ repository }: Context): Promise<Discarded[]> {
  const { flaws, at } = await listLeases(repository);
  const discarded: Discarded[] = [];
  for (const { name, message, writtenAt } of flaws) {
    const removed = isSilent(writtenAt, at) && (await removeQuietly(repository.storage, name));
    discarded.push({ name, message, removed });
  }
  return discarded;
}
