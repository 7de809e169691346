// Leases: the exclusive right to do something, kept alive by a heartbeat. A holder that falls silent loses it.
//
// Anything can lie under leases/: each file is read on its own, through a schema, and one that is not a valid lease is named and
// passed over. Silence is measured by the storage's clock alone, between two of its own stamps: what a lease says of its end is
// information for people, and clocks of machines that differ neither keep a dead job alive nor end a living one.
import * as z from "zod";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { LEASES, leaseName } from "./layout.ts";
import { lifeOf, ownerSchema, thisOwner } from "./owner.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";

export const LEASE_TERM_MS = 60_000;
const HEARTBEAT_MS = 15_000;
/** Beyond the term, for stamps in whole seconds, slow writes, and servers of one storage whose clocks differ. */
const TOLERANCE_MS = 30_000;
/** Far more than any lease has. What is larger is not read. */
const LIMIT_BYTES = 64 * 1024;
/** What `check` tries the storage with; one that is old was left by a kill. */
const PROBE = /^check-[0-9a-f]{16}\.txt$/;

const leaseSchema = z
  .object({
    job: z.string().regex(/^[0-9a-z]{1,40}$/),
    /** Name of the job's journal in the repository. */
    journal: z.string(),
    verb: z.string().regex(/^[a-z][a-z-]{0,31}$/),
    source: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
    /** Restore point in use, or being removed by `expire`. */
    point: z.string().max(512).optional(),
    owner: ownerSchema,
    acquiredAt: z.iso.datetime(),
    /** By the holder's own clock, when it will have fallen silent unless it renews the lease. */
    expiresAt: z.iso.datetime(),
    /** The holder is done, and its storage lets it remove nothing. */
    releasedAt: z.iso.datetime().optional(),
    /** The holder gave up, and left things to be cleaned up. */
    forsakenAt: z.iso.datetime().optional(),
    /** That the writer of this machine wrote what it says of its owner. */
    proof: z.string().max(64).optional(),
  })
  .refine(({ job, journal }) => /^jobs\/\d{4}\/\d{2}\/\d{2}\/([0-9a-z]+)\.json$/.exec(journal)?.[1] === job, {
    path: ["journal"],
    message: "it is not the journal of the job",
  });

export type LeaseRecord = Readonly<z.infer<typeof leaseSchema>>;

type Holder = Pick<LeaseRecord, "job" | "journal" | "verb" | "source" | "point">;

export interface Lease {
  readonly name: string;
  /** Aborts, with LEASE_LOST as its reason, as soon as the lease is known to be lost. */
  readonly lost: AbortSignal;
  /** Asks the storage itself. Throws LEASE_LOST unless the lease is still ours: the last thing before a commit. */
  assertHeld(): Promise<void>;
  /** Names the restore point that the job is at now, for all to see when this resolves. */
  use(point: string | undefined): Promise<void>;
  release(): Promise<void>;
  /** Ends the heartbeat and leaves the lease behind, for whichever start cleans up later. */
  forsake(): Promise<void>;
}

/** A lease as it lies in the storage. */
export interface FoundLease {
  readonly name: string;
  readonly etag: string;
  /** When the storage last saw it written, by its own clock. */
  readonly renewedAt: Date;
  readonly record: LeaseRecord;
}

/** A file among the leases that is not a valid one. */
export interface LeaseFlaw {
  /** Name of the object. */
  readonly name: string;
  readonly etag: string;
  readonly writtenAt: Date;
  /** One sentence that names the object. */
  readonly message: string;
}

export interface Leases {
  /** The storage's present, by the clock that stamped the leases. */
  readonly at: Date;
  readonly leases: readonly FoundLease[];
  readonly flaws: readonly LeaseFlaw[];
  /** Of the leases, what is over and could not be removed by its holder. */
  readonly leftovers: readonly string[];
}

/**
 * Takes the lease. One that another job holds: LEASE_HELD, with who and since when. One whose holder is dead or silent
 * is not taken over here: `jobs recover` ends that job first, so that what it left is cleaned before anything new begins.
 */
export async function acquireLease(repository: Repository, name: string, holder: Holder, clock: Clock): Promise<Lease> {
  const object = leaseName(name);
  const acquiredAt = clock.now().toISOString();
  for (let etag: string | undefined; ; ) {
    try {
      return await hold(repository, object, { ...holder, acquiredAt }, clock, etag === undefined ? { ifAbsent: true } : { ifMatch: etag });
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
      const facts = await repository.storage.head(object);
      if (facts === undefined && etag === undefined) throw heldBy(name, undefined, error); // it came and went: the next try may have it
      const found = facts && (await readLease(repository, facts));
      if (etag !== undefined || found === undefined || !(await isFree(repository, found))) throw heldBy(name, recordOf(found), error);
      etag = found.etag;
    }
  }
}

const recordOf = (found: FoundLease | LeaseFlaw | undefined): LeaseRecord | undefined =>
  found && "record" in found ? found.record : undefined;

/** Whether nothing stands behind what occupies the name: its holder is done, or it is not a lease and no heartbeat ever renewed it. */
async function isFree({ storage }: Repository, found: FoundLease | LeaseFlaw): Promise<boolean> {
  if ("record" in found) return found.record.releasedAt !== undefined;
  return isSilent(found.writtenAt, await storage.now());
}

/** Writes the lease and keeps it. */
async function hold(
  { storage, trust }: Repository,
  object: string,
  holder: Holder & Pick<LeaseRecord, "acquiredAt">,
  clock: Clock,
  condition: { readonly ifAbsent: true } | { readonly ifMatch: string },
): Promise<Lease> {
  const keeper = { job: holder.job };
  keepers.add(keeper); // before it can be seen, so that no clean-up of this process takes it for one left behind
  try {
    return await keep({ storage, trust }, object, holder, clock, condition, () => keepers.delete(keeper));
  } catch (error) {
    keepers.delete(keeper);
    throw error;
  }
}

/** Jobs whose leases this process keeps: of its own leases, all others were left behind. */
const keepers = new Set<{ readonly job: string }>();

async function keep(
  { storage, trust }: Pick<Repository, "storage" | "trust">,
  object: string,
  holder: Holder & Pick<LeaseRecord, "acquiredAt">,
  clock: Clock,
  condition: { readonly ifAbsent: true } | { readonly ifMatch: string },
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
      // A conflict means that another process wrote it; a silent storage is survived until the term is over.
      if (isLifeboatError(error, "STORAGE_CONFLICT") || clock.monotonicMs() - renewedAtMs > LEASE_TERM_MS) lose(error);
    }
  };
  let beat: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    beat = beat.then(renew);
  }, HEARTBEAT_MS);
  timer.unref();

  let ended = false;
  /** False: it was ended before, or is another process's now. */
  const stop = async (): Promise<boolean> => {
    if (ended) return false;
    ended = true;
    clearInterval(timer);
    await beat;
    end();
    return !loss.signal.aborted;
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
    async release() {
      if (!(await stop())) return;
      try {
        await storage.delete(object);
      } catch (error) {
        // Where nothing may be removed, it says itself that it is over; where nothing may be written either, it runs out.
        if (!isRefusal(error)) throw error;
        const over = { ...record(), releasedAt: clock.now().toISOString() };
        await putJson(storage, object, over, { ifMatch: etag }).catch(() => undefined);
      }
    },
    async forsake() {
      if (!(await stop())) return;
      const left = { ...record(), forsakenAt: clock.now().toISOString() };
      await putJson(storage, object, left, { ifMatch: etag }).catch(() => undefined); // then it runs out
    },
  };
}

const REFUSALS: ReadonlySet<string> = new Set(["STORAGE_AUTH", "STORAGE_REFUSED", "STORAGE_FULL"]);

/** Whether the storage says that it will not: it is full, read-only, or these credentials may not. */
export function isRefusal(error: unknown): error is LifeboatError {
  return isLifeboatError(error) && REFUSALS.has(error.code);
}

const nameOf = (object: string): string => object.slice(LEASES.length).replace(/\.json$/, "");

function heldBy(name: string, record: LeaseRecord | undefined, cause: unknown): LifeboatError {
  const holder =
    record === undefined
      ? "another job"
      : `job ${record.job} (${record.verb} by ${record.owner.user} on ${record.owner.host}, since ${record.acquiredAt})`;
  return new LifeboatError("LEASE_HELD", `${holder} holds the lease ${name}`, { cause, details: { lease: name, job: record?.job } });
}

/** Codes of a storage that may answer later: these say nothing of the file. */
const PASSING: ReadonlySet<string> = new Set(["STORAGE_UNREACHABLE", "STORAGE_TIMEOUT", "CANCELLED"]);

/** The lease, or what is wrong with it; undefined: it is gone. */
async function readLease({ storage }: Repository, info: ObjectInfo, signal?: AbortSignal): Promise<FoundLease | LeaseFlaw | undefined> {
  const { name, etag, sizeBytes, modifiedAt } = info;
  const flaw = (why: string): LeaseFlaw => ({ name, etag, writtenAt: modifiedAt, message: `${name} is not a valid lease: ${why}` });
  if (!name.endsWith(".json")) return flaw("its name is not one of ours");
  if (sizeBytes > LIMIT_BYTES) return flaw(`it has ${sizeBytes} bytes`);
  let found: Record<string, unknown> | undefined;
  try {
    found = await getJson(storage, name, signal);
  } catch (error) {
    if (!isLifeboatError(error) || PASSING.has(error.code)) throw error;
    return flaw(error.message);
  }
  if (found === undefined) return undefined;
  const { success, data, error } = leaseSchema.safeParse(found);
  if (success) return { name: nameOf(name), etag, renewedAt: modifiedAt, record: data };
  const [issue] = error.issues;
  return flaw(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

/** Every lease there is, and everything else among them. Jobs that run, and jobs that died, are exactly those that hold one. */
export async function listLeases(repository: Repository, signal?: AbortSignal): Promise<Leases> {
  const { storage } = repository;
  const infos: ObjectInfo[] = [];
  for await (const info of storage.list(LEASES, { signal })) infos.push(info);
  const at = await storage.now({ signal });
  const leases: FoundLease[] = [];
  const flaws: LeaseFlaw[] = [];
  const leftovers: string[] = [];
  await readAll(infos, async (info) => {
    if (PROBE.test(info.name.slice(LEASES.length))) {
      if (isSilent(info.modifiedAt, at)) leftovers.push(info.name);
      return;
    }
    const found = await readLease(repository, info, signal);
    if (found === undefined) return;
    if (!("record" in found)) flaws.push(found);
    else if (found.record.releasedAt !== undefined) leftovers.push(info.name);
    else leases.push(found);
  });
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return { at, leases: leases.sort(byName), flaws: flaws.sort(byName), leftovers: leftovers.sort() };
}

/** Whether no heartbeat has written it for a lease's term. Both instants are the storage's; a stamp of the future is no silence. */
export const isSilent = (writtenAt: Date, at: Date): boolean => at.getTime() - writtenAt.getTime() > LEASE_TERM_MS + TOLERANCE_MS;

/**
 * Whether the holder is gone: its process is, or it has been silent for longer than its term. A process that certainly lives is
 * never given up, however long its storage has not heard of it.
 */
export function isAbandoned(repository: Repository, { record, renewedAt }: FoundLease, at: Date): boolean {
  const life = lifeOfJob(record);
  if (life === "dead" || record.forsakenAt !== undefined) return true;
  if (life === "alive" && isProven(repository, record)) return false;
  return isSilent(renewedAt, at);
}

/** As `lifeOf`, and of this very process: whether it keeps the job's lease. */
export function lifeOfJob({ job, owner }: Pick<LeaseRecord, "job" | "owner">): ReturnType<typeof lifeOf> {
  const life = lifeOf(owner);
  if (life !== "alive" || owner.pid !== process.pid) return life;
  return [...keepers].some((keeper) => keeper.job === job) ? "alive" : "dead";
}

/** Any process can be named in a lease by who can write to the storage; that it holds this one, only this machine's writer can say. */
function isProven({ trust }: Repository, record: LeaseRecord): boolean {
  return trust.writer !== undefined && record.proof === trust.writer.proof(...claimOf(record));
}

const claimOf = ({ job, owner: { machine, pid, startedTicks } }: Pick<LeaseRecord, "job" | "owner">): string[] => [
  "lease",
  job,
  machine,
  String(pid),
  startedTicks,
];

/**
 * Takes an abandoned lease over, to clean up after its holder. Of several that try, one succeeds; undefined for the others.
 * From here on the old holder, should it wake, fails its `assertHeld`.
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
