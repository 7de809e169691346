// The files under leases/. Each is read independently and validated; an invalid one is reported and skipped.
//
// The time since the last renewal is measured between two timestamps of the storage's clock. The expiry in a lease is only information
// for people, so that clock skew between machines neither keeps a dead job alive nor ends a live one.
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
/** Added to the term, for timestamps in whole seconds, slow writes, and clock skew between the servers of one storage. */
const TOLERANCE_MS = 30_000;
/** Far more than any lease has. A larger file is not read. */
const LIMIT_BYTES = 64 * 1024;
/** The file that `check` writes to test the storage. An old one was left by a killed process. */
const PROBE = /^check-[0-9a-f]{16}\.txt$/;

const leaseSchema = z
  .object({
    job: id,
    /** The name of the job's journal in the repository. */
    journal: z.string(),
    verb: z.string().check(z.regex(/^[a-z][a-z-]{0,31}$/)),
    source: segment,
    /** The restore point in use, or being deleted by `expire`. */
    point: maybe(word),
    owner: ownerSchema,
    acquiredAt: instant,
    /** The expiry unless the lease is renewed, by the holder's clock. */
    expiresAt: instant,
    /** The holder is done but its storage refuses to delete. */
    releasedAt: maybe(instant),
    /** The holder gave up and left resources to clean up. */
    abandonedAt: maybe(instant),
    /** The proof that the writer of this machine wrote the owner. */
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

/** A stored lease. */
export interface FoundLease {
  readonly name: string;
  readonly etag: string;
  /** When the storage last received it, by the storage's clock. */
  readonly renewedAt: Date;
  readonly record: LeaseRecord;
}

/** A file among the leases that is not a valid lease. */
export interface LeaseFlaw {
  /** The name of the object. */
  readonly name: string;
  readonly etag: string;
  readonly writtenAt: Date;
  /** One sentence that names the object. */
  readonly message: string;
}

export interface Leases {
  /** The storage's present, by the clock that set the timestamps of the leases. */
  readonly at: Date;
  readonly leases: readonly FoundLease[];
  readonly flaws: readonly LeaseFlaw[];
  /** The ended leases that their holders could not delete. */
  readonly leftovers: readonly string[];
}

/** The jobs whose leases this process renews. All other leases of this process were left behind. */
export const keepers = new Set<{ readonly job: string }>();

/** Returns the name of the lease in an object. */
export const nameOf = (object: string): string => object.slice(LEASES.length).replace(/\.json$/, "");

/** Error codes of a storage that may answer later. They say nothing about the file. */
const PASSING: ReadonlySet<string> = new Set(["STORAGE_UNREACHABLE", "STORAGE_TIMEOUT", "CANCELLED"]);

/** Reads a lease, or returns its flaw. Undefined: it no longer exists. */
export async function readLease(
  repository: Repository,
  info: ObjectInfo,
  signal?: AbortSignal,
): Promise<FoundLease | LeaseFlaw | undefined> {
  const { storage } = repository;
  const { name, etag, sizeBytes, modifiedAt } = info;
  const flaw = (why: string): LeaseFlaw => ({ name, etag, writtenAt: modifiedAt, message: `${name} is not a valid lease: ${why}` });
  if (!name.endsWith(".json")) return flaw("its name is not that of a lease");
  if (sizeBytes > LIMIT_BYTES) return flaw(`it has ${sizeBytes} bytes`);
  try {
    const record = await getJson(storage, name, leaseSchema, signal);
    if (record === undefined) return undefined;
    // What was written after it was listed has another version, and another instant, than the listing says.
    const writtenMs = Date.parse(record.expiresAt) - LEASE_TERM_MS;
    const present = Math.abs(writtenMs - modifiedAt.getTime()) > TOLERANCE_MS ? await storage.head(name, { signal }) : info;
    if (present === undefined || present.etag !== etag) return present && (await readLease(repository, present, signal));
    return { name: nameOf(name), etag, renewedAt: modifiedAt, record };
  } catch (error) {
    if (!isLifeboatError(error) || PASSING.has(error.code)) throw error;
    return flaw(error.message);
  }
}

/** Lists all leases, and other files among them. Exactly the running and the dead jobs hold a lease. */
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

/** Tells whether the lease was not renewed for its term. Both instants are from the storage. A timestamp in the future does not count. */
export const isSilent = (writtenAt: Date, at: Date): boolean => at.getTime() - writtenAt.getTime() > LEASE_TERM_MS + TOLERANCE_MS;

/**
 * Tells whether the holder is gone: its process has ended, or the lease was not renewed for longer than its term. A process that
 * certainly runs never counts as gone, even without renewals.
 */
export function isAbandoned(repository: Repository, { record, renewedAt }: FoundLease, at: Date): boolean {
  const life = lifeOfJob(record);
  if (life === "dead" || record.abandonedAt !== undefined) return true;
  if (life === "alive" && isProven(repository, record)) return false;
  return isSilent(renewedAt, at);
}

/** Like `lifeOf`. For this process it also tells whether it renews the job's lease. */
export function lifeOfJob({ job, owner }: Pick<LeaseRecord, "job" | "owner">): ReturnType<typeof lifeOf> {
  const life = lifeOf(owner);
  if (life !== "alive" || owner.pid !== process.pid) return life;
  return [...keepers].some((keeper) => keeper.job === job) ? "alive" : "dead";
}

/** A writer of the storage can name any process in a lease. Only a proof of this machine's writer shows that the process holds it. */
function isProven({ trust }: Repository, record: LeaseRecord): boolean {
  return trust.writer !== undefined && record.proof === trust.writer.proof(...claimOf(record));
}

/** The facts that the proof covers. */
export const claimOf = ({ job, owner: { machine, pid, startedTicks } }: Pick<LeaseRecord, "job" | "owner">): string[] => [
  "lease",
  job,
  machine,
  String(pid),
  startedTicks,
];
