// Leases: the exclusive right to do something, kept alive by a heartbeat. Whoever falls silent loses it.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { LEASES, leaseName } from "./layout.ts";
import { isCertainlyDead, type Owner, thisOwner } from "./owner.ts";

export const LEASE_TERM_MS = 60_000;
const HEARTBEAT_MS = 15_000;
/** How far two machines' clocks may differ before a lease that is alive could look expired. */
const CLOCK_SKEW_MS = 30_000;

export interface LeaseRecord {
  readonly job: string;
  /** Name of the job's journal in the repository. */
  readonly journal: string;
  readonly verb: string;
  readonly source: string;
  /** Restore point in use, which expire then leaves alone. */
  readonly point?: string | undefined;
  readonly owner: Owner;
  readonly acquiredAt: string;
  readonly expiresAt: string;
}

export interface Lease {
  readonly name: string;
  /** Aborts, with LEASE_LOST as its reason, as soon as the lease is known to be lost. */
  readonly lost: AbortSignal;
  /** Asks the storage itself. Throws LEASE_LOST unless the lease is still ours: the last thing before a commit. */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
  /** Ends the heartbeat and leaves the lease to run out, for whoever cleans up later. */
  forsake(): void;
}

/** A lease as it lies in the storage. */
export interface FoundLease {
  readonly name: string;
  readonly etag: string;
  readonly record: LeaseRecord;
}

/**
 * Takes the lease. One that another job holds: LEASE_HELD, with who and since when. One whose holder is dead or silent
 * is not taken over here: `jobs recover` ends that job first, so that what it left is cleaned before anything new begins.
 */
export async function acquireLease(
  storage: Storage,
  name: string,
  holder: Pick<LeaseRecord, "job" | "journal" | "verb" | "source" | "point">,
  clock: Clock,
): Promise<Lease> {
  const object = leaseName(name);
  const acquiredAt = clock.now().toISOString();
  const record = (): LeaseRecord => ({
    ...holder,
    owner: thisOwner(),
    acquiredAt,
    expiresAt: new Date(clock.now().getTime() + LEASE_TERM_MS).toISOString(),
  });
  let etag: string;
  try {
    etag = (await putJson(storage, object, record(), { ifAbsent: true })).etag;
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    throw heldBy(name, (await readLease(storage, object))?.record, error);
  }

  const loss = new AbortController();
  const lose = (cause: unknown): void =>
    loss.abort(new LifeboatError("LEASE_LOST", `the lease ${name} was lost to another process`, { cause }));
  let renewedAtMs = clock.monotonicMs();
  let beat: Promise<void> = Promise.resolve();
  const renew = async (): Promise<void> => {
    try {
      etag = (await putJson(storage, object, record(), { ifMatch: etag, signal: AbortSignal.timeout(HEARTBEAT_MS) })).etag;
      renewedAtMs = clock.monotonicMs();
    } catch (error) {
      // A conflict means somebody else wrote it; a silent storage is survived until the term is over.
      if (isLifeboatError(error, "STORAGE_CONFLICT") || clock.monotonicMs() - renewedAtMs > LEASE_TERM_MS) lose(error);
    }
  };
  const timer = setInterval(() => {
    beat = beat.then(renew);
  }, HEARTBEAT_MS);
  timer.unref();

  return {
    name,
    lost: loss.signal,
    async assertHeld() {
      await beat;
      loss.signal.throwIfAborted();
      const now = await storage.head(object);
      if (now?.etag === etag) return;
      lose(undefined);
      loss.signal.throwIfAborted();
    },
    async release() {
      clearInterval(timer);
      await beat;
      if (loss.signal.aborted) return; // it is somebody else's now
      await storage.delete(object);
    },
    forsake: () => clearInterval(timer),
  };
}

function heldBy(name: string, record: LeaseRecord | undefined, cause: unknown): LifeboatError {
  const holder =
    record === undefined
      ? "another job"
      : `job ${record.job} (${record.verb} by ${record.owner.user} on ${record.owner.host}, since ${record.acquiredAt})`;
  return new LifeboatError("LEASE_HELD", `${holder} holds the lease ${name}`, { cause, details: { lease: name, job: record?.job } });
}

async function readLease(storage: Storage, object: string): Promise<FoundLease | undefined> {
  const facts = await storage.head(object);
  const record = facts && (await getJson(storage, object));
  if (facts === undefined || record === undefined) return undefined;
  return { name: object.slice(LEASES.length, -".json".length), etag: facts.etag, record: record as unknown as LeaseRecord };
}

/** Every lease there is. Jobs that run, and jobs that died, are exactly those that hold one. */
export async function listLeases(storage: Storage): Promise<FoundLease[]> {
  const found: FoundLease[] = [];
  for await (const { name } of storage.list(LEASES)) {
    const lease = await readLease(storage, name);
    if (lease) found.push(lease);
  }
  return found;
}

/** Whether the holder will never come back: its process is gone, or it has been silent for longer than its term. */
export function isAbandoned(record: LeaseRecord, now: Date): boolean {
  return isCertainlyDead(record.owner) || now.getTime() > Date.parse(record.expiresAt) + CLOCK_SKEW_MS;
}

/**
 * Takes an abandoned lease over, to clean up after its holder. Of several that try, one succeeds; undefined for the others.
 * From here on the old holder, should it wake, fails its `assertHeld`.
 */
export async function takeOverLease(storage: Storage, found: FoundLease, clock: Clock): Promise<Lease | undefined> {
  const object = leaseName(found.name);
  const record: LeaseRecord = {
    ...found.record,
    owner: thisOwner(),
    expiresAt: new Date(clock.now().getTime() + 5 * LEASE_TERM_MS).toISOString(),
  };
  try {
    await putJson(storage, object, record, { ifMatch: found.etag });
  } catch (error) {
    if (isLifeboatError(error, "STORAGE_CONFLICT")) return undefined;
    throw error;
  }
  return {
    name: found.name,
    lost: new AbortController().signal,
    assertHeld: async () => undefined,
    release: () => storage.delete(object),
    forsake: () => undefined,
  };
}
