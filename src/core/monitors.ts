// Everything that `status` and every beat look for, as data: alerts, severities, documentation and next steps follow from this table.
import { type NextAction, nextOf } from "./hints.ts";
import type { Verdict } from "./verdict.ts";

interface Monitor {
  /** What a finding does to the verdict of the source. `fail`: the alert is critical; `inconclusive`: a warning. */
  readonly verdict: Exclude<Verdict, "pass">;
  /** What is wrong, as a sentence without the full stop. */
  readonly finds: string;
  /** What to do, with commands in backticks. SOURCE stands for the name of the source. */
  readonly next: string;
}

/** By code. Codes are stable: scripts and alerts match on them. */
export const MONITORS = {
  SOURCE_UNREACHABLE: { verdict: "fail", finds: "the source does not answer", next: "run `lifeboat check SOURCE`" },
  NO_BACKUP: { verdict: "fail", finds: "no restore point of the whole database exists", next: "run `lifeboat backup SOURCE`" },
  LAST_BACKUP_FAILED: { verdict: "fail", finds: "the last backup failed", next: "run `lifeboat backup SOURCE`" },
  BACKUP_OVERDUE: {
    verdict: "fail",
    finds: "a scheduled backup was not made within an hour; without a schedule, the newest backup is older than 25 hours",
    next: "run `lifeboat backup SOURCE --due`",
  },
  EXPOSURE_ABOVE_RPO: {
    verdict: "fail",
    finds: "more work would be lost now than the objective allows",
    next: "run `lifeboat backup SOURCE`",
  },
  BACKUP_DAMAGED: {
    verdict: "fail",
    finds: "a verify or drill found the newest backup damaged",
    next: "run `lifeboat backup SOURCE`",
  },
  SIZE_SUSPICIOUS: {
    verdict: "fail",
    finds: "the newest backup is less than half as large as usual",
    next: "run `lifeboat list SOURCE`",
  },
  TABLE_EMPTIED: {
    verdict: "fail",
    finds: "a table lost most of its rows, or a column most of its distinct values; expiry of the source is frozen",
    next: "run `lifeboat list SOURCE` and preview the point before; if the loss was intended, run `lifeboat acknowledge SOURCE --reason intended`",
  },
  PITR_OFF: {
    verdict: "fail",
    finds: "point-in-time recovery or continuous backup is off although the policy sets a window, or although it was on",
    next: "run `lifeboat plan SOURCE`",
  },
  BACKUP_OFF: {
    verdict: "fail",
    finds: "the provider's own backup is off although it was on, or although the policy requires it",
    next: "run `lifeboat plan SOURCE`",
  },
  WINDOW_SHORT: {
    verdict: "fail",
    finds: "the recovery window is shorter than the policy's",
    next: "run `lifeboat plan SOURCE`",
  },
  RETENTION_LOWERED: {
    verdict: "fail",
    finds: "the provider keeps history or snapshots for less time than before",
    next: "raise it at the provider; if it was intended, run `lifeboat acknowledge SOURCE --reason intended`",
  },
  PROTECTION_OFF: {
    verdict: "fail",
    finds: "production is not protected against deletion although the policy requires it, or although it was",
    next: "run `lifeboat plan SOURCE`",
  },
  SNAPSHOT_OVERDUE: {
    verdict: "fail",
    finds: "a scheduled snapshot was not made within an hour",
    next: "run `lifeboat backup SOURCE --due`",
  },
  NO_BASE: {
    verdict: "fail",
    finds: "no backup exists that the log could be replayed onto",
    next: "run `lifeboat backup SOURCE --due`",
  },
  LOG_GAP: {
    verdict: "fail",
    finds: "a part of the WAL or oplog within the policy's window is missing",
    next: "run `lifeboat backup SOURCE --due`, which begins a new recovery window",
  },
  LOG_DAMAGED: {
    verdict: "fail",
    finds: "a stored segment of the WAL or oplog is damaged or cannot be read",
    next: "run `lifeboat status SOURCE`",
  },
  LOG_BEHIND: {
    verdict: "fail",
    finds: "the archive of the WAL or oplog ends longer ago than the objective allows",
    next: "run `lifeboat archive SOURCE`",
  },
  SLOT_INACTIVE: {
    verdict: "fail",
    finds: "the replication slot is not being read, and the server retains WAL for it",
    next: "run `lifeboat archive SOURCE`",
  },
  SLOT_LOST: {
    verdict: "fail",
    finds: "the server dropped WAL of the replication slot",
    next: "run `lifeboat archive SOURCE`",
  },
  ORPHANED_SCRATCH: {
    verdict: "fail",
    finds: "scratch of an ended job is left at the provider and costs money",
    next: "run `lifeboat jobs recover`",
  },
  DRILL_FAILED: { verdict: "fail", finds: "the last drill failed", next: "run `lifeboat status SOURCE`" },
  DATED_IN_FUTURE: {
    verdict: "fail",
    finds: "a restore point is dated in the future and does not count",
    next: "check the clocks, then run `lifeboat expire SOURCE --future`",
  },
  POINT_MISSING: {
    verdict: "fail",
    finds: "a restore point disappeared without a signed removal",
    next: "put it back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  },
  POINT_CHANGED: {
    verdict: "fail",
    finds: "the manifest of a restore point was replaced",
    next: "put the original back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  },
  POINT_INCOMPLETE: {
    verdict: "fail",
    finds: "a part of a restore point is missing or has another size",
    next: "put the part back, or run `lifeboat backup SOURCE`",
  },
  MARKS_ROLLED_BACK: {
    verdict: "fail",
    finds: "holds and findings of a restore point are older than they were",
    next: "put them back; if they are lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  },
  LOG_MISSING: {
    verdict: "fail",
    finds: "stored log disappeared without a signed removal",
    next: "put it back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  },
  REPOSITORY_UNREACHABLE: {
    verdict: "fail",
    finds: "the repository cannot be read",
    next: "run `lifeboat check`",
  },
  REPOSITORY_FILLING: {
    verdict: "fail",
    finds: "the free space of the repository does not hold the next two backups of every source",
    next: "run `lifeboat expire`, or make more room",
  },
  KEY_MISSING: {
    verdict: "fail",
    finds: "a key that the configuration names, or that scheduled work requires, cannot be read or does not fit",
    next: "run `lifeboat check`",
  },
  LEASE_INVALID: { verdict: "inconclusive", finds: "a file among the leases is not a valid lease", next: "run `lifeboat jobs`" },
  LEASE_SILENT: {
    verdict: "inconclusive",
    finds: "a running job no longer renews its lease: it is stuck",
    next: "run `lifeboat jobs`, and end that process",
  },
  JOB_ABANDONED: {
    verdict: "inconclusive",
    finds: "the process of a job ended before the job did",
    next: "run `lifeboat jobs recover`",
  },
  CLOCK_OFF: {
    verdict: "inconclusive",
    finds: "the clocks of this machine, the storage and the database differ by more than 30 seconds",
    next: "set the clock by a time server, then run `lifeboat check`",
  },
  POINT_UNSIGNED: {
    verdict: "inconclusive",
    finds: "a restore point is not signed by a trusted key",
    next: "run `lifeboat list SOURCE`",
  },
  MARKS_UNSIGNED: {
    verdict: "inconclusive",
    finds: "facts about a restore point are not signed by a trusted key",
    next: "run `lifeboat list SOURCE`",
  },
  EVIDENCE_UNSIGNED: {
    verdict: "inconclusive",
    finds: "evidence of a drill is not signed by a trusted key",
    next: "run `lifeboat drill SOURCE`",
  },
  LOG_UNSIGNED: {
    verdict: "inconclusive",
    finds: "a log segment is not signed by a trusted key",
    next: "run `lifeboat status SOURCE`",
  },
  OBJECT_UNREADABLE: {
    verdict: "inconclusive",
    finds: "an object of the repository cannot be read",
    next: "run `lifeboat list SOURCE`",
  },
  REPOSITORY_UNSIGNED: {
    verdict: "inconclusive",
    finds: "the description of the repository is not signed by a trusted key",
    next: "run `lifeboat check`",
  },
  MEMORY_LOST: {
    verdict: "inconclusive",
    finds: "this machine's memory of the repository is lost, so missing objects cannot be noticed",
    next: "run `lifeboat list SOURCE`, and compare it with your own records",
  },
  SOURCE_NOT_ASKED: {
    verdict: "inconclusive",
    finds: "whether the source answers was not checked",
    next: "run `lifeboat status SOURCE`",
  },
  PROVIDER_NOT_ASKED: {
    verdict: "inconclusive",
    finds: "the provider's API does not answer",
    next: "run `lifeboat check SOURCE`",
  },
  DRIFT: { verdict: "inconclusive", finds: "a setting at the provider differs from the policy", next: "run `lifeboat plan SOURCE`" },
  LIMIT_NEAR: {
    verdict: "inconclusive",
    finds: "at least 80 % of the branches, root branches, snapshots or another count of the provider's plan are used",
    next: "run `lifeboat expire SOURCE`",
  },
  STORAGE_NEAR: {
    verdict: "inconclusive",
    finds: "at least 80 % of the storage that the source has is used",
    next: "make room at the provider, then run `lifeboat status SOURCE`",
  },
  CONNECTIONS_NEAR: {
    verdict: "inconclusive",
    finds: "at least 80 % of the server's connections are in use",
    next: "end idle connections or raise the limit, then run `lifeboat status SOURCE`",
  },
  NEVER_VERIFIED: {
    verdict: "inconclusive",
    finds: "no restore point was ever verified",
    next: "run `lifeboat drill SOURCE`",
  },
  DRILL_MISSING: { verdict: "inconclusive", finds: "no drill was ever done", next: "run `lifeboat drill SOURCE`" },
  DRILL_INCONCLUSIVE: {
    verdict: "inconclusive",
    finds: "the last drill proved nothing",
    next: "run `lifeboat status SOURCE`",
  },
  DRILL_OVERDUE: {
    verdict: "inconclusive",
    finds: "a scheduled drill was not done within a day; without a schedule, the last drill is older than 36 days",
    next: "run `lifeboat drill SOURCE`",
  },
  NOTIFY_FAILED: {
    verdict: "inconclusive",
    finds: "a notification channel did not take an alert",
    next: "run `lifeboat notify test`",
  },
  SOURCE_PAUSED: {
    verdict: "inconclusive",
    finds: "the scheduled work of the source has been paused for a day",
    next: "run `lifeboat resume SOURCE`",
  },
  WORK_PARKED: {
    verdict: "fail",
    finds: "an item of work failed too often on the shared queue, or with an error that needs a person",
    next: "run `lifeboat workers`, correct the cause, then run `lifeboat workers release` with the item's key",
  },
  QUEUE_AWAY: {
    verdict: "fail",
    finds: "the shared queue does not answer, so workers take no work",
    next: "run `lifeboat workers`",
  },
  CONFIG_REFUSED: {
    verdict: "inconclusive",
    finds: "the service runs on the last valid configuration, because the file was changed to one that is not valid",
    next: "run `lifeboat check`",
  },
  AUDIT_INVALID: {
    verdict: "fail",
    finds: "the audit log was changed, shortened or rewritten",
    next: "run `lifeboat audit verify`",
  },
  AUDIT_BEHIND: {
    verdict: "inconclusive",
    finds: "entries of the audit log wait on a machine, or a witness does not take checkpoints",
    next: "run `lifeboat audit verify`",
  },
  BREAK_GLASS: {
    verdict: "fail",
    finds: "production was changed without the approval that it takes; told at once, and once",
    next: "run `lifeboat audit SOURCE`",
  },
} as const satisfies Record<string, Monitor>;

export type HealthCode = keyof typeof MONITORS;

export interface HealthReason {
  readonly code: HealthCode;
  readonly message: string;
  /** What of the source it is about, where several findings of one code are alerts of their own: the name of a limit, a table, a channel. */
  readonly about?: string | undefined;
}

export const verdictOf = (code: HealthCode): Exclude<Verdict, "pass"> => MONITORS[code].verdict;

/** Returns what to do about a finding, with the source's real name. */
export const nextOfFinding = (code: HealthCode, source: string | null): NextAction =>
  nextOf(MONITORS[code].next, { source: source ?? undefined });

export const isHealthCode = (code: string): code is HealthCode => Object.hasOwn(MONITORS, code);
