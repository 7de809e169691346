// Checklists that teams fill in by hand, filled in by checks. What no check has answered is not known, and never ticked.
import { formatBytes, formatDuration, formatInstant } from "../../core/duration.ts";
import type { HealthCode, HealthReason } from "../../core/monitors.ts";
import { newest, type RestorePoint, untilNow } from "../../core/restore-point.ts";
import type { Verdict } from "../../core/verdict.ts";
import { counted } from "../../core/words.ts";
import type { Context, Source, Watch } from "../context.ts";
import { pointsOf } from "../points/points.ts";
import { snapshotsOf } from "../points/snapshots.ts";
import { repositoryReasons } from "./repository-status.ts";
import { sharedOf } from "./shared.ts";
import { type SourceStatus, statusOf, storedOf } from "./status.ts";

export const CHECKLISTS = ["weekly", "monthly"] as const;
export type ChecklistKind = (typeof CHECKLISTS)[number];

export interface ChecklistItem {
  readonly item: string;
  readonly question: string;
  readonly outcome: Verdict;
  /** What the check measured, or why it failed or is not known. */
  readonly said: string;
}

type Answer = Pick<ChecklistItem, "outcome" | "said">;

interface Facts {
  readonly context: Context;
  readonly source: Source;
  readonly status: SourceStatus;
  readonly now: Date;
  readonly watch: Watch;
}

interface Item {
  readonly item: string;
  readonly question: string;
  /** Default: both. */
  readonly only?: ChecklistKind | undefined;
  /** Findings that answer with no, and those that leave it unknown. */
  readonly codes: readonly HealthCode[];
  readonly unknown?: readonly HealthCode[] | undefined;
  /** The figure, when no finding answers. */
  answer(facts: Facts): Answer | Promise<Answer>;
}

const yes = (said: string): Answer => ({ outcome: "pass", said });
const unknown = (said: string): Answer => ({ outcome: "inconclusive", said });
const no = (said: string): Answer => ({ outcome: "fail", said });

const DAY_MS = 86_400_000;
/** A snapshot that no policy keeps is to be reviewed after so long. */
const OLD_MS = 30 * DAY_MS;

const ITEMS: readonly Item[] = [
  {
    item: "latest-backup",
    question: "The latest backup exists",
    codes: ["NO_BACKUP", "BACKUP_OVERDUE", "LAST_BACKUP_FAILED", "EXPOSURE_ABOVE_RPO", "SNAPSHOT_OVERDUE"],
    unknown: ["OBJECT_UNREADABLE", "PROVIDER_NOT_ASKED"],
    answer({ status: { latest }, now }) {
      if (latest === undefined) return unknown("no backup or snapshot is held, only the recovery window");
      return yes(`${latest.name} of ${formatInstant(latest.time)}, ${formatDuration(now.getTime() - latest.time.getTime())} old`);
    },
  },
  {
    item: "window",
    question: "Any instant of the recovery window can be reached",
    codes: ["PITR_OFF", "WINDOW_SHORT", "RETENTION_LOWERED", "NO_BASE", "LOG_GAP", "LOG_DAMAGED", "LOG_BEHIND", "LOG_MISSING", "SLOT_LOST"],
    unknown: ["PROVIDER_NOT_ASKED"],
    answer({ status: { log, provider } }) {
      const window = provider?.state?.window;
      if (window !== undefined) return yes(`${formatInstant(window.earliest)} to ${formatInstant(window.latest)}`);
      if (log?.window !== undefined && log.segments > 0) return yes(`${log.window.earliest} to ${log.window.latest}`);
      return unknown("no window is configured, and the provider keeps no history");
    },
  },
  {
    item: "size",
    question: "The size is within its limits",
    codes: ["STORAGE_NEAR"],
    unknown: ["SOURCE_UNREACHABLE", "PROVIDER_NOT_ASKED"],
    answer({ status: { limits } }) {
      const known = limits.filter(({ unit, max }) => unit === "bytes" && max !== undefined && max > 0);
      if (known.length === 0) return unknown("neither the server nor the provider reports a limit; set `sizeLimit` of the source");
      return yes(known.map(({ name, used, max = 0 }) => `${name}: ${formatBytes(used)} of ${formatBytes(max)}`).join("; "));
    },
  },
  {
    item: "branches",
    question: "Old branches and snapshots are reviewed",
    codes: ["LIMIT_NEAR", "ORPHANED_SCRATCH"],
    unknown: ["PROVIDER_NOT_ASKED"],
    async answer({ context, source, status, now, watch }) {
      if (source.managed !== true) return unknown("its provider holds no branches or snapshots");
      const snapshots = await snapshotsOf(context, source, watch);
      const old = snapshots.filter(({ record, scheduled, point }) => {
        return record === undefined && scheduled !== true && now.getTime() - point.time.getTime() > OLD_MS;
      });
      const used = status.limits.filter((one) => one.unit === "count" && one.max !== undefined);
      const figures = used.map(({ name, used: count, max }) => `${count} of ${max} ${name}`).join(", ");
      if (old.length === 0) return yes(`no snapshot older than 30 days is without a policy${figures === "" ? "" : `; ${figures} in use`}`);
      return no(`${old.length} older than 30 days belong to no policy: ${old.map(({ point }) => point.name).join(", ")}`);
    },
  },
  {
    item: "storage",
    question: "The repository has room",
    codes: ["REPOSITORY_FILLING"],
    async answer({ context, source, watch }) {
      const points = (await pointsOf(context, source.name)).map(({ point }) => point);
      const stored = `${counted(points.length, "backup")} stored: ${formatBytes(points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}`;
      const freeBytes = await context.repository.storage.freeBytes?.({ signal: watch.signal });
      return yes(freeBytes === undefined ? `${stored}; the storage reports no limit` : `${stored}; ${formatBytes(freeBytes)} are free`);
    },
  },
  {
    item: "drill",
    question: "The last drill passed, and none is overdue",
    codes: ["DRILL_FAILED", "DRILL_MISSING", "DRILL_INCONCLUSIVE", "DRILL_OVERDUE"],
    unknown: ["EVIDENCE_UNSIGNED", "OBJECT_UNREADABLE"],
    answer({ status: { lastDrill } }) {
      if (lastDrill === undefined) return unknown("there is no evidence of a drill");
      const rto = lastDrill.achieved.rtoSeconds;
      const took = rto === undefined ? "" : `, RTO ${formatDuration(rto * 1000)}`;
      return yes(`passed on ${formatInstant(new Date(lastDrill.endedAt))}${took}`);
    },
  },
  {
    item: "objectives",
    question: "The last drill met the objectives",
    only: "monthly",
    codes: ["DRILL_FAILED"],
    unknown: ["DRILL_MISSING", "DRILL_INCONCLUSIVE", "EVIDENCE_UNSIGNED", "OBJECT_UNREADABLE"],
    answer({ status: { lastDrill }, source: { objective } }) {
      const { rtoSeconds } = lastDrill?.achieved ?? {};
      if (rtoSeconds === undefined || lastDrill === undefined) return unknown("no drill has measured it");
      const against = `RTO ${formatDuration(rtoSeconds * 1000)} (objective: at most ${formatDuration(objective.rtoSeconds * 1000)})`;
      return rtoSeconds <= objective.rtoSeconds ? yes(against) : no(against);
    },
  },
  {
    item: "key",
    question: "The key at hand opens what is backed up",
    only: "monthly",
    codes: ["KEY_MISSING"],
    async answer({ context }) {
      return context.openKey().then(
        () => yes("the identity belongs to the recipients"),
        () => unknown("no identity is configured on this machine"),
      );
    },
  },
  {
    item: "intact",
    question: "No restore point is missing, changed, incomplete or unsigned",
    only: "monthly",
    codes: [
      ...(["POINT_MISSING", "POINT_CHANGED", "POINT_INCOMPLETE", "POINT_UNSIGNED", "BACKUP_DAMAGED", "MARKS_ROLLED_BACK"] as const),
      ...(["TABLE_EMPTIED", "SIZE_SUSPICIOUS"] as const),
    ],
    unknown: ["OBJECT_UNREADABLE", "MEMORY_LOST", "MEMORY_AWAY", "MARKS_UNSIGNED"],
    async answer({ context, source }) {
      const points = await pointsOf(context, source.name);
      return points.length === 0 ? unknown("the repository holds no backup of it") : yes(`as written: ${counted(points.length, "backup")}`);
    },
  },
];

export interface Checklist {
  readonly source: string;
  readonly lines: ChecklistItem[];
}

export async function checklistsOf(context: Context, sources: readonly Source[], kind: ChecklistKind, watch: Watch): Promise<Checklist[]> {
  const shared = await sharedOf(context, watch.signal);
  const statuses: SourceStatus[] = [];
  for (const source of sources) statuses.push(await statusOf(context, source, watch, shared));
  const ofRepository = await repositoryReasons(context, await newestOfAll(context, statuses), watch);
  const lists: Checklist[] = [];
  for (const status of statuses)
    lists.push({ source: status.source.name, lines: await linesOf(context, status, ofRepository, kind, watch) });
  return lists;
}

/** The newest stored backup of each source: the next ones of all of them must fit, whichever are asked about. */
async function newestOfAll(context: Context, statuses: readonly SourceStatus[]): Promise<RestorePoint[]> {
  const judged = new Set(statuses.map(({ source }) => source.name));
  const found = storedOf(statuses);
  for (const name of context.sources.keys()) {
    if (judged.has(name)) continue;
    const points = (await pointsOf(context, name)).map(({ point }) => point);
    const last = newest(untilNow(points, context.clock.now()));
    if (last !== undefined) found.push(last);
  }
  return found;
}

async function linesOf(
  context: Context,
  status: SourceStatus,
  ofRepository: readonly HealthReason[],
  kind: ChecklistKind,
  watch: Watch,
): Promise<ChecklistItem[]> {
  const reasons = [...status.reasons, ...ofRepository];
  const facts: Facts = { context, source: status.source, status, now: context.clock.now(), watch };
  const items: ChecklistItem[] = [];
  for (const { item, question, only, codes, unknown: hidden = [], answer } of ITEMS) {
    if (only !== undefined && only !== kind) continue;
    const bad = reasons.find(({ code }) => codes.includes(code));
    const dark = reasons.find(({ code }) => hidden.includes(code));
    const found = bad !== undefined ? no(bad.message) : dark !== undefined ? unknown(dark.message) : await answer(facts);
    items.push({ item, question, ...found });
  }
  return items;
}
