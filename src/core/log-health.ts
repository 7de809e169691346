// What the log archive says about protection, as reasons of health: gaps, damage, an archive that fell behind, a slot that
// nobody serves. What does not touch the wanted window is no alarm.
import { formatBytes, formatDuration } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import type { LogFlaw, RecoveryWindow } from "./log.ts";
import { dateOfMicros, microsOf } from "./micros.ts";

export interface LogHealthFacts {
  readonly window?: RecoveryWindow | undefined;
  readonly flaws: readonly LogFlaw[];
  /** Stored JSONs that cannot be read, as sentences. */
  readonly unreadable: readonly string[];
  readonly segments: number;
  readonly bases: number;
  /** The first thing that was ever archived: a segment or a base backup. */
  readonly since?: Date | undefined;
  /** How far back any instant is to be reachable; absent: nobody said. */
  readonly windowMs?: number | undefined;
  readonly rpoSeconds: number;
  /** What the log is replayed onto, in words. */
  readonly baseCalled?: string | undefined;
  /** The replication slot, where the source was asked. */
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
    yield { code: "NO_BASE", message: `${what}, so no past instant can be reached` };
  }
  if (segments === 0 && windowMs !== undefined && bases > 0) {
    yield { code: "LOG_BEHIND", message: `no log was archived yet, and ${formatDuration(windowMs)} of it are wanted` };
  }
  for (const message of facts.unreadable) yield { code: "LOG_DAMAGED", message };
  yield* gaps(facts);
  yield* reach(facts);
  yield* slotReasons(facts);
}

/** Flaws that keep an instant of the wanted window from being reached. Before the first base backup nothing ever was. */
function* gaps({ flaws, windowMs, now }: LogHealthFacts): Iterable<HealthReason> {
  const wantedFrom = windowMs === undefined ? "" : microsOf(new Date(now.getTime() - windowMs));
  for (const { kind, from, to, message } of flaws) {
    if (to !== undefined && (to <= wantedFrom || from === undefined)) continue;
    yield { code: kind === "damaged" ? "LOG_DAMAGED" : "LOG_GAP", message };
  }
}

function* reach({ window, segments, windowMs, rpoSeconds, since, now }: LogHealthFacts): Iterable<HealthReason> {
  if (window === undefined || segments === 0) return;
  const behindMs = now.getTime() - dateOfMicros(window.latest).getTime();
  const rpoMs = rpoSeconds * 1000;
  if (behindMs > rpoMs + Math.min(rpoMs / 24, HOUR_MS)) {
    const message = `the log reaches to ${window.latest}, ${formatDuration(behindMs)} ago, and ${formatDuration(rpoMs)} is the objective`;
    yield { code: "LOG_BEHIND", message };
  }
  if (windowMs === undefined || since === undefined || now.getTime() - since.getTime() < windowMs) return; // still growing
  const haveMs = now.getTime() - dateOfMicros(window.earliest).getTime();
  if (haveMs < windowMs) {
    yield {
      code: "WINDOW_SHORT",
      message: `any instant since ${window.earliest} can be reached (${formatDuration(haveMs)}), and ${formatDuration(windowMs)} are wanted`,
    };
  }
}

function* slotReasons({ slot }: LogHealthFacts): Iterable<HealthReason> {
  if (slot === undefined || !slot.exists) return;
  const { name, active, keptBytes, state } = slot;
  if (state === "lost") {
    yield { code: "SLOT_LOST", message: `the server gave up the log that the replication slot ${name} was to keep: the archive has a gap` };
  } else if (!active) {
    yield {
      code: "SLOT_INACTIVE",
      message: `nobody fetches the log of the replication slot ${name}, and the server keeps ${formatBytes(keptBytes)} back for it: start \`lifeboat archive\`, or drop it with --stop`,
    };
  }
}
