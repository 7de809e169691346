// One history of data. It is only a record until its server is first started; from then on it has data and WAL of its own.
import type { LineLog } from "./log.ts";
import type { Server } from "./server.ts";

export interface Line {
  readonly id: string;
  /** Where it was forked from; undefined for a first line. Always a line that has WAL of its own. */
  readonly origin: Origin | undefined;
  /** SQL of a first line, run once when it is made. */
  readonly sql: readonly string[];
  /** When the line was asked for, of the machine's clock. */
  readonly createdMs: number;
  /** Present once its data exists. */
  own: OwnData | undefined;
  server: Server | undefined;
  /** Passwords to set before the first connection. */
  readonly passwords: Map<string, string>;
  /** The end of the work that was requested so far: its calls happen one after another. */
  busy: Promise<unknown>;
}

export interface Origin {
  readonly line: Line;
  /** Position in that line's log: everything before it belongs to the fork as well. */
  readonly position: bigint;
}

export interface OwnData {
  readonly log: LineLog;
  /** First position that may be forked: where a first line has run its SQL, where another began. */
  readonly beginsAt: bigint;
  /** Copies of its data, oldest first, so that forks need not replay everything. */
  readonly bases: Base[];
  /** What it measured when its data was removed, and only its log was kept. */
  removedSizeBytes?: number | undefined;
}

/** A data directory of a server that was shut down cleanly. */
export interface Base {
  readonly data: string;
  /** First position that recovery reads. */
  readonly redo: bigint;
  /** It holds everything before this position, and can be recovered to here and any later one. */
  readonly at: bigint;
}

/** The line and those that its history goes through, oldest first, each with the end of its part (undefined: its head). */
export function historyOf(line: Line): { readonly line: Line; readonly until: bigint | undefined }[] {
  const parts: { line: Line; until: bigint | undefined }[] = [];
  let until: bigint | undefined;
  for (let at: Line | undefined = line; at !== undefined; at = at.origin?.line) {
    parts.unshift({ line: at, until });
    until = at.origin?.position;
  }
  return parts;
}

/** Runs work on a line after all earlier work. */
export function inTurn<T>(line: Line, work: () => Promise<T>): Promise<T> {
  const done = line.busy.then(work, work);
  line.busy = done.catch(() => {});
  return done;
}
