// Judges whether each source is protected now, by the source itself, the repository and the evidence. What is not known is not green.
import { overdueDrill } from "../../core/drill-schedule.ts";
import { formatInstant } from "../../core/duration.ts";
import { isLifeboatError } from "../../core/errors.ts";
import { type Health, type HealthReason, judgeSource } from "../../core/health.ts";
import { namesIn } from "../../core/hints.ts";
import type { Limit } from "../../core/limits.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { byTime, exposureMs, newest, type RestorePoint, untilNow } from "../../core/restore-point.ts";
import { readErasures } from "../../repository/erasures.ts";
import { type Evidence, lastEvidence } from "../../repository/evidence.ts";
import { isPaused, type Pause } from "../../repository/pauses.ts";
import { type LogStatus, logStatus } from "../archive/log-status.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf, reasonsOf } from "../jobs/holders.ts";
import { contentReasonsOf } from "../points/content.ts";
import { summariesOf } from "../points/points.ts";
import { drillsDone } from "../recovery/drills-due.ts";
import { type ExpiryWait, expiryWait } from "../retention/expiry-due.ts";
import { slotsDueAt } from "../sources.ts";
import { lastAttempt } from "./attempt.ts";
import { ask, clockReason, latestOf, REACH_MS } from "./clocks.ts";
import { type ProviderStatus, providerStatus } from "./provider-status.ts";
import { makesBackups } from "./schedule.ts";
import type { Shared } from "./shared.ts";

export interface SourceStatus extends Health {
  readonly source: Source;
  readonly earliest?: RestorePoint | undefined;
  readonly latest?: RestorePoint | undefined;
  /** The newest in the repository. */
  readonly stored?: RestorePoint | undefined;
  readonly lastDrill?: Evidence | undefined;
  readonly exposureMs?: number | undefined;
  readonly unreachableBecause?: string | undefined;
  /** Of the provider's plan and of the server. */
  readonly limits: readonly Limit[];
  /** Present where the source's log is archived, or should be. */
  readonly log?: LogStatus | undefined;
  /** Present where the provider has a control plane. */
  readonly provider?: ProviderStatus | undefined;
  /** Its scheduled work is paused now. */
  readonly paused?: Pause | undefined;
  /** It was never backed up, and its schedule makes the first backup. */
  readonly firstBackup?: "due" | "running" | undefined;
  /** Its expiry could not be done since its slot. */
  readonly expiryWaits?: ExpiryWait | undefined;
}

/** A pause that lasts longer is a finding. */
const LONG_PAUSE_MS = 86_400_000;

/** Judges one source. */
export async function statusOf(context: Context, source: Source, watch: Watch, shared: Shared): Promise<SourceStatus> {
  const { clock } = context;
  const reach = reachOf(context, source, watch);
  // Told to stop, it can throw before it is awaited.
  reach.catch(() => undefined);
  const { holders, observed, pauses } = shared;
  const pause = pauses.get(source.name);
  const paused = isPaused(pause, clock.now()) ? pause : undefined;
  const jobs = reasonsOf(holders, source.name, context.sources.keys());
  const stored: HealthReason[] = [...repositoryFlaws(context, source.name)];
  const [{ unreachableBecause, serverNow, askedAt, limits, found }, provider, lastDrill, drills, erasures] = await Promise.all([
    reach,
    providerStatus(context, source, watch, observed),
    lastDrillOf(context, source.name, clock.now(), stored, watch.signal),
    drillsDone(context, source, watch),
    readErasures(context.repository, source.name, watch.signal),
  ]);
  // Last, for a source has many: they are held while they are judged, not while a database or provider answers.
  const entries = await summariesOf(context, source.name);
  const own = entries.map(({ point }) => point);
  stored.push(...context.catalog.flaws(source.name), ...contentReasonsOf(source, entries));
  const [log, attempt, expiryWaits] = await Promise.all([
    logStatus(context, source, entries, watch),
    lastAttempt(context, source.name, own, shared),
    expiryWait(context, source, shared.jobsSince, slotsDueAt(source, clock.now())),
  ]);
  stored.push(...erasures.flaws);
  const points = [...own, ...(provider?.points ?? [])].sort(byTime);
  const isFirst = points.length === 0 && attempt === undefined && lastDrill === undefined && paused === undefined && makesBackups(source);
  const isRunning = holders.holders.some(
    ({ record, abandoned, silent }) => record.verb === "backup" && record.source === source.name && !abandoned && !silent,
  );
  const now = clock.now();
  const present = latestOf({ here: now, storage: holders.at, database: serverNow });
  const window = provider?.state?.window ?? windowOf(log);
  const health = judgeSource({
    // Where backups are wanted in the repository, no snapshot at the provider replaces one that is missing.
    points: source.policy.tiers.length > 0 ? own : points,
    window,
    stored,
    log: log?.reasons,
    provider: provider?.reasons,
    unasked: provider?.notAsked !== undefined,
    jobs: [...jobs, ...longPause(paused, now)],
    overdueDrill: overdueDrill(source.drills ?? [], drills, now),
    scheduledDrills: (source.drills ?? []).length > 0,
    lastDrill: lastDrill && { verdict: lastDrill.verdict, endedAt: new Date(lastDrill.endedAt) },
    lastAttempt: attempt,
    objective: source.objective,
    policy: source.policy,
    now,
    present,
    clocks: serverNow && clockReason("database", serverNow, askedAt),
    reachable: unreachableBecause === undefined,
    unreachableBecause,
    source: found,
    limits,
  });
  return {
    ...health,
    reasons: namesIn(health.reasons, { source: source.name }),
    source,
    earliest: points[0],
    latest: newest(untilNow(points, present)),
    stored: newest(untilNow(own, present)),
    lastDrill,
    exposureMs: exposureMs(points, present, window?.latest),
    log,
    provider,
    paused,
    firstBackup: isFirst ? (isRunning ? "running" : "due") : undefined,
    expiryWaits,
    limits: [...(provider?.state?.limits ?? []), ...limits],
    unreachableBecause,
  };
}

function* longPause(pause: Pause | undefined, now: Date): Iterable<HealthReason> {
  if (pause === undefined || now.getTime() - Date.parse(pause.at) < LONG_PAUSE_MS) return;
  const message = `its scheduled work is paused since ${formatInstant(new Date(pause.at))} by ${pause.by}; \`lifeboat resume ${pause.source}\` ends that`;
  yield { code: "SOURCE_PAUSED", message };
}

/** The newest backup of each source that the repository holds. */
export const storedOf = (found: readonly SourceStatus[]): RestorePoint[] => found.flatMap(({ stored }) => stored ?? []);

function* repositoryFlaws({ repository: { flaw, memory } }: Context, source: string): Iterable<HealthReason> {
  if (flaw !== undefined) yield { code: "REPOSITORY_UNSIGNED", message: flaw };
  const lost = memory.loss(source);
  if (lost !== undefined) yield { code: "MEMORY_LOST", message: lost };
  const away = memory.trouble();
  if (away !== undefined) yield { code: "MEMORY_AWAY", message: away };
}

/** The last drill with evidence in the repository or on this machine. */
async function lastDrillOf(
  context: Context,
  source: string,
  until: Date,
  flaws: HealthReason[],
  signal: AbortSignal,
): Promise<Evidence | undefined> {
  const places = await placesOf(context);
  const found = await Promise.all(places.map((place) => lastEvidence(place, source, "drill", until, signal, (flaw) => flaws.push(flaw))));
  return found.reduce((last, one) => (last !== undefined && (one === undefined || one.endedAt < last.endedAt) ? last : one), undefined);
}

/** A base backup without log is a restore point, and not a window. */
function windowOf(log: LogStatus | undefined): { readonly earliest: Date; readonly latest: Date } | undefined {
  if (log?.window === undefined || log.segments === 0) return undefined;
  return { earliest: dateOfMicros(log.window.earliest), latest: dateOfMicros(log.window.latest) };
}

interface Reach {
  readonly unreachableBecause?: string | undefined;
  /** The database's clock, and this machine's when it answered. */
  readonly serverNow?: Date | undefined;
  readonly askedAt: Date;
  readonly limits: readonly Limit[];
  /** What it says of itself. */
  readonly found: readonly HealthReason[];
}

async function reachOf({ clock }: Context, source: Source, watch: Watch): Promise<Reach> {
  try {
    const { now, sizeBytes, limits = [], reasons = [] } = await ask(source, watch);
    const size =
      source.sizeLimitBytes === undefined ? [] : [{ name: "size", used: sizeBytes, max: source.sizeLimitBytes, unit: "bytes" } as const];
    return { serverNow: now, askedAt: clock.now(), limits: [...limits, ...size], found: reasons };
  } catch (error) {
    watch.signal.throwIfAborted();
    const why = isLifeboatError(error) ? error.message : `no answer within ${REACH_MS / 1000} s`;
    return { unreachableBecause: why, askedAt: clock.now(), limits: [], found: [] };
  }
}
