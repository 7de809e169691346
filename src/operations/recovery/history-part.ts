// What the parts of a row's history share: what they work with, what they give, and how a state that is not known is told.
import { type ErrorCode, isLifeboatError } from "../../core/errors.ts";
import type { Micros } from "../../core/log.ts";
import type { RowFound, Sighting } from "../../core/row-history.ts";
import type { Connection } from "../../ports/connection.ts";
import type { RowHistory, RowName } from "../../ports/row-history.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import type { PointEntry } from "../points/points.ts";

export interface HistoryRequest {
  readonly row: RowName;
  readonly from?: Micros | undefined;
  /** Undefined: up to now, and as it is now. */
  readonly to?: Micros | undefined;
  /** The columns to show and compare. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** Most looks that a server must be made or moved for. */
  readonly limit?: number | undefined;
}

/** A part of the log, from one instant to another, that begins with a base. */
export interface LogAsk {
  readonly from: Micros;
  readonly to: Micros;
  readonly base: PointEntry;
  readonly sizeBytes: number;
}

/** What the parts of a history work with. */
export interface Asking {
  readonly context: Context;
  readonly source: Source;
  readonly engine: RowHistory;
  readonly request: HistoryRequest;
  readonly job: Job;
  readonly watch: Watch;
}

/** What a part of a history found. */
export interface Part {
  readonly sightings: readonly Sighting[];
  readonly notExamined?: readonly string[] | undefined;
  readonly remarks?: readonly string[] | undefined;
}

export const paid = ({ provider }: Source): boolean => provider.history?.copiesData === true;

export async function readFrom({ engine, request, job }: Asking, connection: Connection): Promise<RowFound> {
  const reader = await engine.open(connection, request.row, { signal: job.signal });
  try {
    return await reader.read();
  } finally {
    await reader.end();
  }
}

/** Why a state is not known. A bug, and what ends the whole, is thrown on. */
export function unknownFor(error: unknown, { signal }: Pick<Watch, "signal">): { readonly code: ErrorCode; readonly reason: string } {
  signal.throwIfAborted();
  if (!isLifeboatError(error) || ENDS_ALL.has(error.code)) throw error;
  const code = error.code === "DUMP_INCOMPLETE" ? "INTEGRITY" : error.code;
  return { code, reason: error.message };
}

const ENDS_ALL: ReadonlySet<ErrorCode> = new Set(["BUG", "CANCELLED", "KEY_MISSING", "KEY_INVALID", "LEASE_LOST", "TOO_MANY_FILES"]);
