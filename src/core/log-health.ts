// Findings about the log archive, as reasons of health: gaps, damage, an archive that fell behind, an unread replication slot.
// A finding outside the configured window raises no alarm.
import { formatBytes, formatDuration } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import type { LogFlaw, RecoveryWindow } from "./log.ts";
import { dateOfMicros, microsOf } from "./micros.ts";

export interface LogHealthFacts {
  readonly window?: RecoveryWindow | undefined;
  readonly flaws: readonly LogFlaw[];
  /** JSON objects that cannot be read, as sentences. */
  readonly unreadable: readonly string[];
  readonly segments: number;
  readonly bases: number;
  /** The instant of the first archived segment or base backup. */
  readonly since?: Date | undefined;
  /** The configured window: how far back any instant must be reachable. Absent: not configured. */
  readonly windowMs?: number | undefined;
  readonly rpoSeconds: number;
  /** The database cluster that answers at the source's address. Absent or empty: not known. */
  readonly system?: string | undefined;
  /** The database clusters of the stored log and of the backups that it is replayed onto. */
  readonly storedSystems?: ReadonlySet<string> | undefined;
  /** The kind of backup that the log is replayed onto, in words, and the command that makes one now. */
  readonly baseCalled?: string | undefined;
  readonly baseMadeBy?: string | undefined;
  /** Tablespaces, by name, that were created after the newest base backup, when the source was queried. */
  readonly newTablespaces?: readonly string[] | undefined;
  /** The position after the newest base backup at which one was created that may be gone again. */
  readonly tablespaceAt?: string | undefined;
  /** The replication slot, when the source was queried. */
  readonly slot?:
    | { readonly name: string; readonly exists: boolean; readonly active: boolean; readonly keptBytes: number; readonly state: string }
    | undefined;
  readonly now: Date;
}

const HOUR_MS = 3_600_000;

export function* logReasons(facts: LogHealthFacts): Iterable<HealthReason> {
  const { segments, bases, windowMs, baseCalled = "base backup" } = facts;
  if (bases === 0) {
    const what =
      segments === 0 ? `there is neither a ${baseCalled} nor any log` : `there are ${segments} log segments and no ${baseCalled}`;
    yield { code: "NO_BASE", message: `${what}, so no past instant can be reached`, next: `run ${newBase(facts)}` };
  }
  const { newTablespaces: [tablespace] = [], tablespaceAt } = facts;
  if (bases > 0 && (tablespace !== undefined || tablespaceAt !== undefined)) {
    const which = tablespace === undefined ? `a tablespace was created at ${tablespaceAt},` : `tablespace ${tablespace} was created`;
    const message = `${which} after the newest ${baseCalled}: no instant after that can be recovered`;
    yield { code: "BASE_OUTDATED", message };
  }
  if (segments === 0 && windowMs !== undefined && bases > 0) {
    yield { code: "LOG_BEHIND", message: `no log has been archived yet (configured window: ${formatDuration(windowMs)})` };
  }
  for (const message of facts.unreadable) yield { code: "LOG_DAMAGED", message, next: afterDamage(facts) };
  yield* otherServer(facts);
  yield* gaps(facts);
  yield* reach(facts);
  yield* slotReasons(facts);
}

const newBase = ({ baseMadeBy = "lifeboat backup SOURCE --kind base" }: LogHealthFacts): string => `\`${baseMadeBy}\``;

const afterDamage = (facts: LogHealthFacts): string =>
  `put the segment back from a copy, or run ${newBase(facts)}, which begins a new recovery window`;

function* otherServer(facts: LogHealthFacts): Iterable<HealthReason> {
  const { system = "", storedSystems = new Set() } = facts;
  if (system === "" || storedSystems.size === 0 || storedSystems.has(system)) return;
  const stored = [...storedSystems].join(", ");
  const message = `the server that answers is another database cluster (${system}) than the stored log's (${stored}), so none of its instants can be reached`;
  const next = `correct the address in the configuration; if the server was replaced, run ${newBase(facts)}, which begins a new recovery window`;
  yield { code: "SOURCE_REPLACED", message, next };
}

/** Yields flaws that make an instant of the configured window unreachable. Instants before the first base backup do not count. */
function* gaps(facts: LogHealthFacts): Iterable<HealthReason> {
  const { flaws, windowMs, now } = facts;
  const wantedFrom = windowMs === undefined ? "" : microsOf(new Date(now.getTime() - windowMs));
  for (const { kind, from, to, message } of flaws) {
    if (to !== undefined && (to <= wantedFrom || from === undefined)) continue;
    if (kind === "damaged") yield { code: "LOG_DAMAGED", message, next: afterDamage(facts) };
    else yield { code: "LOG_GAP", message, next: `run ${newBase(facts)}, which begins a new recovery window` };
  }
}

function* reach({ window, segments, windowMs, rpoSeconds, since, now }: LogHealthFacts): Iterable<HealthReason> {
  if (window === undefined || segments === 0) return;
  const behindMs = now.getTime() - dateOfMicros(window.latest).getTime();
  const rpoMs = rpoSeconds * 1000;
  if (behindMs > rpoMs + Math.min(rpoMs / 24, HOUR_MS)) {
    const message = `the log archive ends at ${window.latest}, ${formatDuration(behindMs)} ago (objective: at most ${formatDuration(rpoMs)})`;
    yield { code: "LOG_BEHIND", message };
  }
  if (windowMs === undefined || since === undefined || now.getTime() - since.getTime() < windowMs) return; // still growing
  const haveMs = now.getTime() - dateOfMicros(window.earliest).getTime();
  if (haveMs < windowMs) {
    yield {
      code: "WINDOW_SHORT",
      message: `the recovery window begins at ${window.earliest}, ${formatDuration(haveMs)} ago (configured window: ${formatDuration(windowMs)})`,
      next: "leave `lifeboat archive SOURCE` running: the window grows by itself",
    };
  }
}

function* slotReasons({ slot }: LogHealthFacts): Iterable<HealthReason> {
  if (slot === undefined || !slot.exists) return;
  const { name, active, keptBytes, state } = slot;
  if (state === "lost") {
    yield { code: "SLOT_LOST", message: `the server dropped the WAL of replication slot ${name}: the archive has a gap` };
  } else if (!active) {
    yield {
      code: "SLOT_INACTIVE",
      message: `the WAL of replication slot ${name} is not being read; the server retains ${formatBytes(keptBytes)} for it: start \`lifeboat archive\`, or drop it with --stop`,
    };
  }
}
