// Where replay ended, as the server itself wrote it down when it began a timeline of its own.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { compareLsn } from "../../../core/lsn.ts";
import type { Client } from "../connect/client.ts";
import { readHistory } from "../log/history.ts";

export interface Reached {
  readonly lsn: string;
  readonly newTimeline: number;
}

/** RECOVERY_SHORT unless replay ended at exactly the expected position of the expected timeline. */
export async function readReached(
  client: Client,
  directory: string,
  expected: { readonly lsn: string; readonly timeline: number },
): Promise<Reached> {
  const [row] = await client.query<{ timeline: number; recovering: boolean }>(
    "select timeline_id as timeline, pg_catalog.pg_is_in_recovery() as recovering from pg_catalog.pg_control_checkpoint()",
  );
  const short = (why: string): LifeboatError =>
    new LifeboatError("RECOVERY_SHORT", `${why}; it should have ended at ${expected.lsn} of timeline ${expected.timeline}`, {
      details: { expected },
    });
  if (row === undefined || row.recovering) throw short("the server is still replaying its log");
  if (row.timeline <= expected.timeline) throw short(`the server continued on timeline ${row.timeline} as if nothing had been replayed`);
  const file = join(directory, "pg_wal", `${row.timeline.toString(16).toUpperCase().padStart(8, "0")}.history`);
  const bytes = await readFile(file).catch((cause) => {
    throw new LifeboatError("RECOVERY_SHORT", `where replay ended cannot be told: ${file} cannot be read`, { cause });
  });
  const left = readHistory(bytes).at(-1);
  if (left === undefined) throw short(`where replay ended cannot be told: ${file} names no timeline`);
  if (left.timeline !== expected.timeline || compareLsn(left.switchedAt, expected.lsn) !== 0)
    throw short(`replay ended at ${left.switchedAt} of timeline ${left.timeline}`);
  return { lsn: left.switchedAt, newTimeline: row.timeline };
}
