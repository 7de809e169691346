// All conditions that `status` and every beat look for, as data: alerts, severities, documentation and next steps follow from this table.
import { type NextAction, nextOf } from "./hints.ts";
import type { Verdict } from "./verdict.ts";

interface Monitor {
  /** What a finding does to the verdict of the source. `fail`: the alert is critical; `inconclusive`: a warning. */
  readonly verdict: Exclude<Verdict, "pass">;
  /** What is wrong, as a sentence without the full stop. */
  readonly finds: string;
  /** What to do, with commands in backticks. SOURCE stands for the name of the source. */
  readonly next: string;
  /** It is about the repository or the machine, and while it lasts no source counts as protected. */
  readonly everySource?: true;
}

const critical = (finds: string, next: string): Monitor => ({ verdict: "fail", finds, next });
const ofEverySource = (monitor: Monitor): Monitor => ({ ...monitor, everySource: true });
const warning = (finds: string, next: string): Monitor => ({ verdict: "inconclusive", finds, next });

const UNSIGNED =
  "if a machine of yours wrote it, add its public key to repository.signing.trusted; otherwise run `lifeboat backup SOURCE` and do not rely on it";

/** By code. Codes are stable: scripts and alerts match on them. */
export const MONITORS = {
  SOURCE_UNREACHABLE: critical("the source does not answer", "run `lifeboat check SOURCE`"),
  NO_BACKUP: critical("no restore point of the whole database exists", "run `lifeboat backup SOURCE`"),
  LAST_BACKUP_FAILED: critical("the last backup failed", "run `lifeboat backup SOURCE`"),
  BACKUP_OVERDUE: critical(
    "a scheduled backup was not made within an hour; without a schedule, the newest backup is older than 25 hours",
    "run `lifeboat backup SOURCE --due`",
  ),
  EXPOSURE_ABOVE_RPO: critical("more work would be lost now than the objective allows", "run `lifeboat backup SOURCE`"),
  BACKUP_DAMAGED: critical("a verify or drill found the newest backup damaged", "run `lifeboat backup SOURCE`"),
  SIZE_SUSPICIOUS: critical("the newest backup is less than half as large as usual", "run `lifeboat list SOURCE`"),
  TABLE_EMPTIED: critical(
    "a table lost most of its rows, or a column most of its distinct values; expiry of the source is frozen",
    "run `lifeboat list SOURCE` and preview the point before; if the loss was intended, run `lifeboat acknowledge SOURCE --reason intended`",
  ),
  PITR_OFF: critical(
    "point-in-time recovery or continuous backup is off although the policy sets a window, or although it was on",
    "run `lifeboat plan SOURCE`",
  ),
  BACKUP_OFF: critical(
    "the provider's own backup is off although it was on, or although the policy requires it",
    "run `lifeboat plan SOURCE`",
  ),
  WINDOW_SHORT: critical("the recovery window is shorter than the policy's", "run `lifeboat plan SOURCE`"),
  RETENTION_LOWERED: critical(
    "the provider keeps history or snapshots for less time than before",
    "raise it at the provider; if it was intended, run `lifeboat acknowledge SOURCE --reason intended`",
  ),
  PROTECTION_OFF: critical(
    "production is not protected against deletion although the policy requires it, or although it was",
    "run `lifeboat plan SOURCE`",
  ),
  SNAPSHOT_OVERDUE: critical("a scheduled snapshot was not made within an hour", "run `lifeboat backup SOURCE --due`"),
  NO_BASE: critical("no backup exists that the log could be replayed onto", "run `lifeboat backup SOURCE`"),
  BASE_OUTDATED: critical(
    "a tablespace was created after the newest base backup, so no later instant can be recovered",
    "run `lifeboat backup SOURCE --kind base`",
  ),
  LOG_GAP: critical(
    "a part of the WAL or oplog within the policy's window is missing",
    "run `lifeboat backup SOURCE`, which begins a new recovery window",
  ),
  LOG_DAMAGED: critical(
    "a stored segment of the WAL or oplog is damaged or cannot be read",
    "put the segment back from a copy, or run `lifeboat backup SOURCE`",
  ),
  SOURCE_REPLACED: critical(
    "the server at the source's address is another database cluster than the one whose log is archived",
    "correct the address in the configuration; if the server was replaced, run `lifeboat backup SOURCE`, which begins a new recovery window",
  ),
  LOG_BEHIND: critical("the archive of the WAL or oplog ends longer ago than the objective allows", "run `lifeboat archive SOURCE`"),
  SLOT_INACTIVE: critical("the replication slot is not being read, and the server retains WAL for it", "run `lifeboat archive SOURCE`"),
  SLOT_LOST: critical("the server dropped WAL of the replication slot", "run `lifeboat archive SOURCE`"),
  ORPHANED_SCRATCH: critical("scratch of an ended job is left at the provider and costs money", "run `lifeboat jobs recover`"),
  DRILL_FAILED: critical("the last drill failed", "run `lifeboat drills SOURCE`"),
  DATED_IN_FUTURE: critical(
    "a restore point is dated in the future and does not count",
    "check the clocks, then run `lifeboat expire SOURCE --future`",
  ),
  POINT_MISSING: critical(
    "a restore point disappeared without a signed removal",
    "put it back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  ),
  POINT_CHANGED: critical(
    "the manifest of a restore point was replaced",
    "put the original back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  ),
  POINT_INCOMPLETE: critical(
    "a part of a restore point is missing or has another size",
    "put the part back, or run `lifeboat backup SOURCE`",
  ),
  ERASURES_LOST: critical(
    "entries of the erasure ledger are missing, unsigned or older than they were: erased rows could come back",
    "put them back; if they are lost for good, run `lifeboat acknowledge SOURCE --reason lost` and record them again with `lifeboat forget`",
  ),
  MARKS_ROLLED_BACK: critical(
    "holds and findings of a restore point are older than they were",
    "put them back; if they are lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  ),
  LOG_MISSING: critical(
    "stored log disappeared without a signed removal",
    "put it back; if it is lost for good, run `lifeboat acknowledge SOURCE --reason lost`",
  ),
  REPOSITORY_UNREACHABLE: ofEverySource(critical("the repository cannot be read", "run `lifeboat check`")),
  REPOSITORY_FILLING: ofEverySource(
    critical(
      "the free space of the repository does not hold the next two backups of every source",
      "make room, or make it writable again; `lifeboat expire` removes what has expired",
    ),
  ),
  KEY_MISSING: ofEverySource(
    critical("a key that the configuration names, or that scheduled work requires, cannot be read or does not fit", "run `lifeboat check`"),
  ),
  LEASE_INVALID: warning("a file among the leases is not a valid lease", "run `lifeboat jobs`"),
  LEASE_SILENT: warning("a running job no longer renews its lease: it is stuck", "run `lifeboat jobs`, and end that process"),
  JOB_ABANDONED: warning("the process of a job ended before the job did", "run `lifeboat jobs recover`"),
  CLOCK_OFF: warning(
    "the clocks of this machine, the storage and the database differ by more than 30 seconds",
    "set the clock by a time server, then run `lifeboat check`",
  ),
  POINT_UNSIGNED: warning("a restore point is not signed by a trusted key", UNSIGNED),
  MARKS_UNSIGNED: warning("facts about a restore point are not signed by a trusted key", UNSIGNED),
  EVIDENCE_UNSIGNED: warning("evidence of a drill is not signed by a trusted key", "run `lifeboat drill SOURCE`"),
  LOG_UNSIGNED: warning("a log segment is not signed by a trusted key", UNSIGNED),
  OBJECT_UNREADABLE: warning(
    "an object of the repository cannot be read",
    "put the object back from a copy; `lifeboat list SOURCE` shows what can be read",
  ),
  REPOSITORY_UNSIGNED: warning("the description of the repository is not signed by a trusted key", "run `lifeboat check`"),
  MEMORY_LOST: warning(
    "this machine's memory of the repository is lost, so missing objects cannot be noticed",
    "compare `lifeboat list SOURCE` with your own records, then run `lifeboat acknowledge SOURCE --reason compared`",
  ),
  MEMORY_AWAY: warning(
    "this machine's memory of the repository cannot be read or written now, so missing objects cannot be noticed",
    "make room in the directory named, or correct its rights, then run `lifeboat status SOURCE`",
  ),
  PROVIDER_NOT_ASKED: warning("the provider's API does not answer", "run `lifeboat check SOURCE`"),
  DRIFT: warning("a setting at the provider differs from the policy", "run `lifeboat plan SOURCE`"),
  LIMIT_NEAR: warning(
    "at least 80 % of the branches, root branches, snapshots or another count of the provider's plan are used",
    "run `lifeboat expire SOURCE`",
  ),
  STORAGE_NEAR: warning(
    "at least 80 % of the storage that the source has is used",
    "make room on the server or at the provider, then run `lifeboat status SOURCE`",
  ),
  CONNECTIONS_NEAR: warning(
    "at least 80 % of the server's connections are in use",
    "end idle connections or raise the limit, then run `lifeboat status SOURCE`",
  ),
  COLLATION_CHANGED: warning(
    "texts are ordered by another version of their collation than the server has now: indexes may be wrong",
    "run the statements that it names on the source; then run `lifeboat backup SOURCE`",
  ),
  NEVER_VERIFIED: warning("no restore point was ever verified", "run `lifeboat drill SOURCE`"),
  DRILL_MISSING: warning("no drill was ever done", "run `lifeboat drill SOURCE`"),
  DRILL_INCONCLUSIVE: warning("the last drill proved nothing", "run `lifeboat drills SOURCE`"),
  DRILL_OVERDUE: warning(
    "a scheduled drill was not done within a day; without a schedule, the last drill is older than 36 days",
    "run `lifeboat drill SOURCE`",
  ),
  NOTIFY_FAILED: warning("a notification channel did not take an alert", "run `lifeboat notify test`"),
  SOURCE_PAUSED: warning("the scheduled work of the source has been paused for a day", "run `lifeboat resume SOURCE`"),
  WORK_PARKED: critical(
    "an item of work failed too often on the shared queue, or with an error that needs a person",
    "run `lifeboat workers`, correct the cause, then run `lifeboat workers release` with the item's key",
  ),
  QUEUE_AWAY: ofEverySource(critical("the shared queue does not answer, so workers take no work", "run `lifeboat workers`")),
  CONFIG_REFUSED: warning(
    "the service runs on the last valid configuration, because the file was changed to one that is not valid",
    "run `lifeboat check`",
  ),
  AUDIT_INVALID: critical("the audit log was changed, shortened or rewritten", "run `lifeboat audit verify`"),
  AUDIT_BEHIND: warning(
    "entries of the audit log wait on a machine, or a witness does not take checkpoints",
    "run `lifeboat audit verify`",
  ),
  BREAK_GLASS: critical("production was changed without the approval that it takes; told at once, and once", "run `lifeboat audit SOURCE`"),
} as const satisfies Record<string, Monitor>;

export type HealthCode = keyof typeof MONITORS;

export interface HealthReason {
  readonly code: HealthCode;
  readonly message: string;
  /** What to do where the cause tells more than the code, as in the table: commands in backticks, with SOURCE. */
  readonly next?: string | undefined;
  /** What of the source it is about, where several findings of one code are alerts of their own: the name of a limit, a table, a channel. */
  readonly about?: string | undefined;
}

export const verdictOf = (code: HealthCode): Exclude<Verdict, "pass"> => MONITORS[code].verdict;

/** Whether no source counts as protected while it lasts, although it is about the repository or the machine. */
export const concernsEverySource = (code: HealthCode): boolean => (MONITORS[code] as Monitor).everySource === true;

/** Returns what to do about a finding, with the source's real name. */
export const nextOfFinding = ({ code, next }: Pick<HealthReason, "code" | "next">, source: string | null): NextAction =>
  nextOf(next ?? MONITORS[code].next, { source: source ?? undefined });

export const isHealthCode = (code: string): code is HealthCode => Object.hasOwn(MONITORS, code);
