// Leases: the exclusive right to work on something, renewed by a heartbeat. A holder that does not renew its lease loses it.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { isRefusal, type PutOptions } from "../ports/storage.ts";
import { putJson } from "./json-object.ts";
import { leaseName } from "./layout.ts";
import {
  claimOf,
  type FoundLease,
  isSilent,
  keepers,
  LEASE_TERM_MS,
  type LeaseFlaw,
  type LeaseRecord,
  nameOf,
  readLease,
} from "./lease-files.ts";
import { thisOwner } from "./owner.ts";
import type { Repository } from "./repository.ts";

const HEARTBEAT_MS = 15_000;
type Holder = Pick<LeaseRecord, "job" | "journal" | "verb" | "source" | "point">;

export interface Lease {
  readonly name: string;
  /** Aborts with LEASE_LOST as soon as the lease is known to be lost. */
  readonly lost: AbortSignal;
  /** Reads the lease from the storage. Throws LEASE_LOST unless this process still holds it. The last step before a commit. */
  assertHeld(): Promise<void>;
  /** Publishes the restore point that the job works on. Other processes see it once this resolves. */
  use(point: string | undefined): Promise<void>;
  release(): Promise<void>;
  /** Ends the heartbeat and leaves the lease for a later clean-up. */
  abandon(): Promise<void>;
}

export interface KeepOptions {
  /** The job only reads, so a renewal that the storage refuses does not lose the lease. */
  readonly mayLapse?: boolean | undefined;
}

/**
 * Acquires a lease. Throws LEASE_HELD with the holder when another job holds it. A lease of a dead holder is not taken over here; `jobs
 * recover` ends that job first, so that its remains are cleaned up before a new job begins.
 */
export async function acquireLease(
  repository: Repository,
  name: string,
  holder: Holder,
  clock: Clock,
  options: KeepOptions = {},
): Promise<Lease> {
  const object = leaseName(name);
  const acquiredAt = clock.now().toISOString();
  for (let etag: string | undefined; ; ) {
    try {
      const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag };
      return await hold(repository, object, { ...holder, acquiredAt }, clock, condition, options);
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
      const facts = await repository.storage.head(object);
      if (facts === undefined && etag === undefined) throw heldBy(name, undefined, error); // it was released meanwhile: the next attempt may get it
      const found = facts && (await readLease(repository, facts));
      if (etag !== undefined || found === undefined || !(await isFree(repository, found))) throw heldBy(name, recordOf(found), error);
      etag = found.etag;
    }
  }
}

const recordOf = (found: FoundLease | LeaseFlaw | undefined): LeaseRecord | undefined =>
  found && "record" in found ? found.record : undefined;

/** Tells whether the file at the name can be replaced: its holder is done, or it is not a lease and is never renewed. */
async function isFree({ storage }: Repository, found: FoundLease | LeaseFlaw): Promise<boolean> {
  if ("record" in found) return found.record.releasedAt !== undefined;
  return isSilent(found.writtenAt, await storage.now());
}

type Condition = Pick<PutOptions, "ifAbsent" | "ifMatch">;

/** Writes the lease and renews it. */
async function hold(
  { storage, trust }: Repository,
  object: string,
  holder: Holder & Pick<LeaseRecord, "acquiredAt">,
  clock: Clock,
  condition: Condition,
  options: KeepOptions = {},
): Promise<Lease> {
  const keeper = { job: holder.job };
  keepers.add(keeper); // before it is visible, so that no clean-up of this process treats it as left behind
  try {
    return await keep({ storage, trust }, object, holder, clock, condition, options, () => keepers.delete(keeper));
  } catch (error) {
    keepers.delete(keeper);
    throw error;
  }
}

async function keep(
  { storage, trust }: Pick<Repository, "storage" | "trust">,
  object: string,
  holder: Holder & Pick<LeaseRecord, "acquiredAt">,
  clock: Clock,
  condition: Condition,
  { mayLapse = false }: KeepOptions,
  end: () => void,
): Promise<Lease> {
  const owner = thisOwner();
  const proof = trust.writer?.proof(...claimOf({ ...holder, owner }));
  let { point } = holder;
  const record = (): LeaseRecord => ({
    ...holder,
    point,
    owner,
    expiresAt: new Date(clock.now().getTime() + LEASE_TERM_MS).toISOString(),
    proof,
  });
  let { etag } = await putJson(storage, object, record(), condition);

  const loss = new AbortController();
  const lose = (cause: unknown): void =>
    loss.abort(new LifeboatError("LEASE_LOST", `the lease ${nameOf(object)} was lost to another process`, { cause }));
  let renewedAtMs = clock.monotonicMs();
  const write = async (): Promise<void> => {
    etag = (await putJson(storage, object, record(), { ifMatch: etag, signal: AbortSignal.timeout(HEARTBEAT_MS) })).etag;
    renewedAtMs = clock.monotonicMs();
  };
  const renew = async (): Promise<void> => {
    try {
      await write();
    } catch (error) {
      if (mayLapse && isRefusal(error)) return;
      // A conflict means that another process wrote it. A storage that does not answer is tolerated until the term is over.
      if (isLifeboatError(error, "STORAGE_CONFLICT") || clock.monotonicMs() - renewedAtMs > LEASE_TERM_MS) lose(error);
    }
  };
  let beat: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    beat = beat.then(renew);
  }, HEARTBEAT_MS);
  timer.unref();

  let ended = false;
  /** Returns false when it ended before, or another process holds it now. */
  const stop = async (): Promise<boolean> => {
    if (ended) return false;
    ended = true;
    clearInterval(timer);
    await beat;
    return !loss.signal.aborted;
  };

  /** This process counts as the holder until the last write: a lease that it has just left would look like that of a dead job. */
  const finish = async (write: () => Promise<void>): Promise<void> => {
    try {
      if (await stop()) await write();
    } finally {
      end();
    }
  };

  return {
    name: nameOf(object),
    lost: loss.signal,
    async assertHeld() {
      await beat;
      loss.signal.throwIfAborted();
      const now = await storage.head(object);
      if (now?.etag === etag) return;
      lose(undefined);
      loss.signal.throwIfAborted();
    },
    async use(next) {
      point = next;
      const written = beat.then(async () => {
        loss.signal.throwIfAborted();
        await write();
      });
      beat = written.catch((error: unknown) => {
        if (isLifeboatError(error, "STORAGE_CONFLICT")) lose(error);
      });
      await written;
    },
    release: () =>
      finish(async () => {
        try {
          await storage.delete(object);
        } catch (error) {
          // Where deletion is refused, the lease is marked as ended; where writing is refused too, it expires.
          if (!isRefusal(error)) throw error;
          const over = { ...record(), releasedAt: clock.now().toISOString() };
          await putJson(storage, object, over, { ifMatch: etag }).catch(() => undefined);
        }
      }),
    abandon: () =>
      finish(async () => {
        const left = { ...record(), abandonedAt: clock.now().toISOString() };
        await putJson(storage, object, left, { ifMatch: etag }).catch(() => undefined); // then it expires
      }),
  };
}

function heldBy(name: string, record: LeaseRecord | undefined, cause: unknown): LifeboatError {
  const holder =
    record === undefined
      ? "another job"
      : `job ${record.job} (${record.verb} by ${record.owner.user} on ${record.owner.host}, since ${record.acquiredAt})`;
  return new LifeboatError("LEASE_HELD", `${holder} holds the lease ${name}`, { cause, details: { lease: name, job: record?.job } });
}

/**
 * Takes over an abandoned lease to clean up after its holder. Of several concurrent callers one succeeds; the others get undefined. From
 * then on `assertHeld` of the old holder fails, if it wakes up.
 */
export async function takeOverLease(repository: Repository, { name, etag, record }: FoundLease, clock: Clock): Promise<Lease | undefined> {
  const { job, journal, verb, source, point, acquiredAt } = record;
  try {
    return await hold(repository, leaseName(name), { job, journal, verb, source, point, acquiredAt }, clock, { ifMatch: etag });
  } catch (error) {
    if (isLifeboatError(error, "STORAGE_CONFLICT")) return undefined;
    throw error;
  }
}
