// What lies under leases/: each file is read on its own, through a schema, and one that is not a valid lease is named and passed over.
//
// Silence is measured by the storage's clock alone, between two of its own stamps: what a lease says of its end is information for
// people, and clocks of machines that differ neither keep a dead job alive nor end a living one.
import * as z from "zod/mini";
import { isLifeboatError } from "../core/errors.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { id, instant, maybe, segment, word } from "./fields.ts";
import { getJson } from "./json-object.ts";
import { LEASES } from "./layout.ts";
import { lifeOf, ownerSchema } from "./owner.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";

export const LEASE_TERM_MS = 60_000;
/** Beyond the term, for stamps in whole seconds, slow writes, and servers of one storage whose clocks differ. */
const TOLERANCE_MS = 30_000;
/** Far more than any lease has. What is larger is not read. */
const LIMIT_BYTES = 64 * 1024;
/** What `check` tries the storage with; one that is old was left by a kill. */
const PROBE = /^check-[0-9a-f]{16}\.txt$/;

const leaseSchema = z
  .object({
    job: id,
    /** Name of the job's journal in the repository. */
    journal: z.string(),
    verb: z.string().check(z.regex(/^[a-z][a-z-]{0,31}$/)),
    source: segment,
    /** Restore point in use, or being removed by `expire`. */
    point: maybe(word),
    owner: ownerSchema,
    acquiredAt: instant,
    /** By the holder's own clock, when it will have fallen silent unless it renews the lease. */
    expiresAt: instant,
    /** The holder is done, and its storage lets it remove nothing. */
    releasedAt: maybe(instant),
    /** The holder gave up, and left things to be cleaned up. */
    abandonedAt: maybe(instant),
    /** That the writer of this machine wrote what it says of its owner. */
    proof: maybe(z.string().check(z.maxLength(64))),
  })
  .check(
    z.refine(
      ({ job, journal }: { readonly job: string; readonly journal: string }) =>
        /^jobs\/\d{4}\/\d{2}\/\d{2}\/([0-9a-z]+)\.json$/.exec(journal)?.[1] === job,
      { path: ["journal"], message: "it is not the journal of the job" },
    ),
  );

export type LeaseRecord = Readonly<z.infer<typeof leaseSchema>>;

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

/** Jobs whose leases this process keeps: of its own leases, all others were left behind. */
export const keepers = new Set<{ readonly job: string }>();

/** The lease of an object. */
export const nameOf = (object: string): string => object.slice(LEASES.length).replace(/\.json$/, "");

/** Codes of a storage that may answer later: these say nothing of the file. */
const PASSING: ReadonlySet<string> = new Set(["STORAGE_UNREACHABLE", "STORAGE_TIMEOUT", "CANCELLED"]);

/** The lease, or what is wrong with it; undefined: it is gone. */
export async function readLease(
  { storage }: Repository,
  info: ObjectInfo,
  signal?: AbortSignal,
): Promise<FoundLease | LeaseFlaw | undefined> {
  const { name, etag, sizeBytes, modifiedAt } = info;
  const flaw = (why: string): LeaseFlaw => ({ name, etag, writtenAt: modifiedAt, message: `${name} is not a valid lease: ${why}` });
  if (!name.endsWith(".json")) return flaw("its name is not one of ours");
  if (sizeBytes > LIMIT_BYTES) return flaw(`it has ${sizeBytes} bytes`);
  try {
    const record = await getJson(storage, name, leaseSchema, signal);
    return record && { name: nameOf(name), etag, renewedAt: modifiedAt, record };
  } catch (error) {
    if (!isLifeboatError(error) || PASSING.has(error.code)) throw error;
    return flaw(error.message);
  }
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
  if (life === "dead" || record.abandonedAt !== undefined) return true;
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

/** What a proof covers. */
export const claimOf = ({ job, owner: { machine, pid, startedTicks } }: Pick<LeaseRecord, "job" | "owner">): string[] => [
  "lease",
  job,
  machine,
  String(pid),
  startedTicks,
];
