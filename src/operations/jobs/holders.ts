// Which jobs run: the leases of the repository, and those in this machine's own place for records.
import { formatInstant } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { isId } from "../../core/ids.ts";
import { leaseName } from "../../repository/layout.ts";
import { type FoundLease, isAbandoned, isSilent, LEASE_TERM_MS, type LeaseFlaw, listLeases } from "../../repository/lease-files.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context } from "../context.ts";
import { CLOCK_LIMIT_MS, clockReason } from "../watch/clocks.ts";

export interface Holder extends FoundLease {
  /** Its job is over, even where its journal says that it runs: what it left waits to be cleaned up. */
  readonly abandoned: boolean;
  /** Not renewed for longer than the term. */
  readonly silent: boolean;
}

export interface Holders {
  readonly holders: readonly Holder[];
  readonly flaws: readonly LeaseFlaw[];
  /** When the leases were read, by the clock of the repository's storage. */
  readonly at: Date;
  /** The same instant by this machine's clock: a look at many sources takes longer than clocks may differ. */
  readonly here: Date;
}

export async function holdersOf(context: Context, signal?: AbortSignal): Promise<Holders> {
  const holders: Holder[] = [];
  const flaws: LeaseFlaw[] = [];
  let read: Pick<Holders, "at" | "here"> | undefined;
  for (const place of await placesOf(context)) {
    const found = await listLeases(place, signal);
    read ??= { at: found.at, here: context.clock.now() };
    flaws.push(...found.flaws);
    for (const lease of found.leases) {
      const abandoned = isAbandoned(place, lease, found.at);
      // A job that ended while the leases were read has released its lease.
      if (abandoned && (await place.storage.head(leaseName(lease.name), { signal })) === undefined) continue;
      holders.push({ ...lease, abandoned, silent: isSilent(lease.renewedAt, found.at) });
    }
  }
  const now = context.clock.now();
  return { holders, flaws, ...(read ?? { at: now, here: now }) };
}

/** Where records of jobs are: the repository, and this machine's own place once something was filed there. */
export async function placesOf({ repository, aside }: Context): Promise<Repository[]> {
  const own = await aside?.find();
  return own === undefined ? [repository] : [repository, own];
}

/** Throws LEASE_HELD while a live job is using the restore point. A dead one no longer uses it. */
export async function refuseInUse(context: Context, point: string, ownJob: string): Promise<void> {
  const { holders } = await holdersOf(context);
  const user = holders.find(({ record, abandoned }) => record.point === point && record.job !== ownJob && !abandoned);
  if (user) throw new LifeboatError("LEASE_HELD", `job ${user.record.job} (${user.record.verb}) is using it`);
}

/** Health reasons that leases give for a source: files that are not leases, jobs that fell silent, clocks that differ. */
export function reasonsOf({ holders, flaws, at, here }: Holders, source: string, sources: Iterable<string>): HealthReason[] {
  const known = [...sources];
  return [
    ...clockReason("storage", at, here),
    ...flaws.filter(({ name }) => concerns(name, source, known)).map(({ message }) => ({ code: "LEASE_INVALID", message }) as const),
    ...holders.filter(({ record }) => record.source === source).flatMap((holder) => reasonsOfHolder(holder, at)),
  ];
}

function reasonsOfHolder({ record, renewedAt, silent, abandoned }: Holder, at: Date): HealthReason[] {
  const { job, verb, owner } = record;
  const who = `job ${job} (${verb} on ${owner.host})`;
  const reasons: HealthReason[] = [];
  if (abandoned) {
    reasons.push({ code: "JOB_ABANDONED", message: `${who} ended before it was done; \`lifeboat jobs recover\` cleans up after it` });
  } else if (silent) {
    const since = formatInstant(renewedAt);
    reasons.push({ code: "LEASE_SILENT", message: `${who} is alive but has not renewed its lease since ${since}` });
  }
  const offMs = Date.parse(record.expiresAt) - LEASE_TERM_MS - renewedAt.getTime();
  if (Math.abs(offMs) > CLOCK_LIMIT_MS || renewedAt.getTime() - at.getTime() > CLOCK_LIMIT_MS) {
    const claimed = formatInstant(new Date(record.expiresAt));
    reasons.push({
      code: "CLOCK_OFF",
      message: `the lease of ${who}, written on ${formatInstant(renewedAt)}, says that it expires on ${claimed}`,
    });
  }
  return reasons;
}

/** Matches by the name of the lease. A file whose name contains no known source concerns all of them. */
function concerns(object: string, source: string, known: readonly string[]): boolean {
  const name = /^leases\/[a-z]+-(.+)\.json$/.exec(object)?.[1];
  const isOf = (one: string): boolean => name === one || (name?.startsWith(`${one}-`) === true && isId(name.slice(one.length + 1)));
  return isOf(source) || !known.some(isOf);
}
