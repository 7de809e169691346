// What a recovery target means at Atlas: a second of the cluster's history, a position in its oplog, or a snapshot.
import { LifeboatError } from "../../../core/errors.ts";
import { parseLsn } from "../../../core/lsn.ts";
import type { Work } from "../../../ports/connection.ts";
import type { HistoryTarget } from "../../../ports/control.ts";
import { sleep } from "../../http/timeouts.ts";
import { type Account, KIND_WORDS } from "../account.ts";
import type { AtlasCluster, AtlasSnapshot, RestoreWhat } from "../api/types.ts";
import { completed, gapAt, type Window, windowOf } from "../settings/window.ts";

export interface Origin {
  readonly what: RestoreWhat;
  /** The instant whose data it is, as far as that is known. */
  readonly at: Date;
  /** What was rounded, and where exactly it ends, in sentences. */
  readonly remarks: readonly string[];
  /** So near to the present that Atlas's copy of the oplog may not have come to it: a refusal may pass. */
  readonly soon?: boolean | undefined;
}

/** The earliest second that Atlas's API takes. */
const FIRST_SECOND = 1_199_145_600;

/** RECOVERY_TARGET_OUTSIDE_WINDOW with both edges; BRANCH_UNKNOWN for a snapshot that is not there; USAGE for a position that is none. */
export async function originOf(account: Account, cluster: AtlasCluster, target: HistoryTarget, work?: Work): Promise<Origin> {
  if (target.kind === "snapshot") return await snapshotOrigin(account, cluster, target.id, work);
  const window = await windowFor(account, cluster, work);
  if (target.kind === "latest") {
    if (window === undefined) throw outside(cluster, "its latest second", whyNoHistory(cluster));
    const at = window.latest;
    return { what: { seconds: at.getTime() / 1000 }, at, remarks: [atSecond(at)], soon: true };
  }
  if (target.kind === "lsn") return positionOrigin(cluster, target.lsn, window);
  if (window === undefined) throw outside(cluster, target.at.toISOString(), whyNoHistory(cluster));
  assertWithin(cluster, window, target.at);
  const at = new Date(Math.floor(target.at.getTime() / 1000) * 1000);
  const rounded = at < target.at ? [`Atlas restores to whole seconds: ${target.at.toISOString()} was rounded down`] : [];
  return { what: { seconds: at.getTime() / 1000 }, at, remarks: [...rounded, atSecond(at)] };
}

const atSecond = (at: Date): string => `it holds every operation before ${at.toISOString()}, and none of that second or later`;

function positionOrigin(cluster: AtlasCluster, lsn: string, window: Window | undefined): Origin {
  const position = parseLsn(lsn);
  const oplog = { seconds: Number(position >> 32n), increment: Number(position & 0xffff_ffffn) };
  if (oplog.seconds < FIRST_SECOND || oplog.increment < 1) {
    throw new LifeboatError("USAGE", `"${lsn}" is not a position in an oplog`, {
      hint: "write seconds and increment in hexadecimal digits, as 6920A1F3/1",
    });
  }
  const at = new Date(oplog.seconds * 1000);
  if (window === undefined) throw outside(cluster, `position ${lsn}`, whyNoHistory(cluster));
  // A position of just now is waited for, not refused: that is how a fingerprint taken there is compared.
  if (at.getTime() + 999 < window.earliest.getTime()) assertWithin(cluster, window, at);
  const gap = gapAt(window, at);
  if (gap !== undefined) throw inGap(cluster, `position ${lsn}`, window);
  const remarks = [`it holds every operation before the oplog's position ${lsn}, and none from it on`];
  return { what: beforePosition(oplog), at, remarks, soon: at > window.latest };
}

/** Atlas restores through the operation that it is told, and everywhere in Lifeboat a position means what lies before it. */
const beforePosition = ({ seconds, increment }: { readonly seconds: number; readonly increment: number }): RestoreWhat =>
  increment === 1 ? { seconds } : { oplog: { seconds, increment: increment - 1 } };

async function snapshotOrigin(account: Account, cluster: AtlasCluster, id: string, work?: Work): Promise<Origin> {
  const snapshot = await account.api.snapshot(cluster, id, work);
  if (snapshot === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `there is no snapshot ${id} of ${cluster.name} at Atlas`);
  if (snapshot.status !== "completed") {
    throw new LifeboatError("PROVIDER_BUSY", `the snapshot ${id} of ${cluster.name} is not complete (${snapshot.status})`);
  }
  return { what: { snapshotId: id }, at: timeOf(snapshot), remarks: [] };
}

export const timeOf = ({ createdAt, requestedAt }: AtlasSnapshot): Date => createdAt ?? requestedAt;

/** Asked anew: schedule, snapshots and restores of the cluster. */
export async function windowFor(
  { api, options, clock, timeouts }: Account,
  cluster: AtlasCluster,
  work?: Work,
): Promise<Window | undefined> {
  if (cluster.kind !== "dedicated" || !cluster.pitEnabled) return undefined;
  const [schedule, snapshots, restores] = await Promise.all([
    api.schedule(cluster, work),
    api.snapshots(cluster, work),
    api.restoreJobs(cluster.name, work),
  ]);
  return windowOf({ groupId: options.groupId, cluster, schedule, snapshots, restores }, clock.now(), timeouts.lagMs);
}

/** The newest complete snapshot that is no newer than an instant. */
export function snapshotBefore(snapshots: readonly AtlasSnapshot[], at: Date): AtlasSnapshot | undefined {
  return completed(snapshots)
    .filter(({ createdAt }) => createdAt <= at)
    .at(-1);
}

function assertWithin(cluster: AtlasCluster, window: Window, at: Date): void {
  const { earliest, latest } = window;
  if (gapAt(window, at) !== undefined) throw inGap(cluster, at.toISOString(), window);
  if (at >= earliest && at <= latest) return;
  throw outside(cluster, at.toISOString(), `it can be restored from ${earliest.toISOString()} to ${latest.toISOString()}`, {
    earliest: earliest.toISOString(),
    latest: latest.toISOString(),
  });
}

function inGap(cluster: AtlasCluster, wanted: string, { gaps }: Window): LifeboatError {
  const words = gaps.map(({ from, to }) => `${from.toISOString()} and ${to?.toISOString() ?? "the next snapshot"}`).join(", ");
  return outside(cluster, wanted, `it was restored over, and Atlas has no history between ${words}`);
}

function whyNoHistory({ kind, backupEnabled, pitEnabled, paused }: AtlasCluster): string {
  if (kind !== "dedicated") return `${KIND_WORDS[kind]} clusters have no continuous backup`;
  if (paused) return "it is paused";
  if (!backupEnabled) return "its cloud backup is off: `lifeboat apply SOURCE` turns it on";
  if (!pitEnabled) return "its continuous backup is off: `lifeboat apply SOURCE` turns it on";
  return "its history has not begun: it does with the first complete snapshot";
}

const outside = ({ name }: AtlasCluster, wanted: string, why: string, details: Readonly<Record<string, unknown>> = {}): LifeboatError =>
  new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `${name} cannot be restored to ${wanted}: ${why}`, {
    details: { wanted, ...details },
  });

const ABOUT_TIME = /PIT|POINT_IN_TIME|OPTIME|OPLOG|RESTORE_TIME|RESTORE_WINDOW/;

/**
 * What Atlas begins with this request. Its own refusal of a point is RECOVERY_TARGET_OUTSIDE_WINDOW, where our reckoning of the window was
 * more generous than its own; one of just now is asked for again, for as long as a copy of the oplog may lag.
 */
export async function requestRestore<T>(
  account: Account,
  cluster: AtlasCluster,
  origin: Origin,
  begin: () => Promise<T>,
  work?: Work,
): Promise<T> {
  const { clock, timeouts } = account;
  const startedMs = clock.monotonicMs();
  for (let noted = false; ; noted = true) {
    try {
      return await begin();
    } catch (error) {
      const refused = refusalOf(cluster, origin, error);
      if (refused === undefined) throw error;
      if (origin.soon !== true || clock.monotonicMs() - startedMs > timeouts.lagMs + timeouts.busyMs) throw refused;
      if (!noted) work?.progress?.note("waiting until Atlas's copy of the oplog has come so far");
      await sleep(timeouts.pollMs, work?.signal);
    }
  }
}

function refusalOf(cluster: AtlasCluster, { what, at }: Origin, error: unknown): LifeboatError | undefined {
  if ("snapshotId" in what || !(error instanceof LifeboatError)) return undefined;
  const refused = error.code === "PROVIDER_REFUSED" || error.code === "PROVIDER_NOT_FOUND";
  if (!refused || !ABOUT_TIME.test(String(error.details.errorCode))) return undefined;
  return new LifeboatError(
    "RECOVERY_TARGET_OUTSIDE_WINDOW",
    `${cluster.name} cannot be restored to ${at.toISOString()}: ${error.message}`,
    {
      cause: error,
      details: error.details,
    },
  );
}
