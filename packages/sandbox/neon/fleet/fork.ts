// Where a fork begins: an instant or a position of a line's history, found in the WAL that holds it.

import { parseLsn } from "../../../../src/core/lsn.ts";
import { microsOf } from "../../../../src/core/micros.ts";
import type { ForkPoint } from "./fleet-types.ts";
import { historyOf, type Line, type Origin } from "./line.ts";

/** A line that has a log of its own. */
function logOf(line: Line): NonNullable<Line["own"]> {
  if (line.own === undefined) throw new Error(`line ${line.id} has no data yet`);
  return line.own;
}

/** The newest state of a line: its head, or its origin as long as it was never started. */
export async function headOf(line: Line): Promise<Origin> {
  if (line.own === undefined && line.origin !== undefined) return line.origin;
  return { line, position: await logOf(line).log.end() };
}

/** Throws RangeError when the point lies before the line's history or after its head. First lines on the way must have been made. */
export async function originAt(line: Line, at: ForkPoint): Promise<Origin> {
  switch (at.kind) {
    case "head":
      return await headOf(line);
    case "lsn":
      return await atPosition(line, parseLsn(at.lsn), at.lsn);
    case "time":
      return await atInstant(line, at.at);
  }
}

async function atPosition(line: Line, wanted: bigint, text: string): Promise<Origin> {
  const head = await headOf(line);
  const part = historyOf(head.line).find(({ until }) => until === undefined || wanted <= until);
  const owner = part?.line ?? head.line;
  const { log, beginsAt } = logOf(owner);
  const until = owner === head.line ? head.position : (part?.until ?? head.position);
  if (wanted < beginsAt || wanted > until) {
    throw new RangeError(`the position ${text} lies ${wanted < beginsAt ? "before the beginning" : "after the head"} of this history`);
  }
  const position = (await log.beforeRecordAt(wanted)) ?? until;
  return { line: owner, position: position < beginsAt ? beginsAt : position > until ? until : position };
}

/** PostgreSQL's own rule for a target time: replay stops before the first commit, in the order of the log, stamped later. */
async function atInstant(line: Line, at: Date): Promise<Origin> {
  if (at.getTime() > Date.now()) throw new RangeError(`the instant ${at.toISOString()} is in the future`);
  const head = await headOf(line);
  const parts = historyOf(head.line);
  const [first] = parts;
  if (first === undefined || at.getTime() < first.line.createdMs) {
    throw new RangeError(`the instant ${at.toISOString()} lies before the beginning of this history`);
  }
  for (const { line: owner, until = head.position } of parts) {
    const { log, beginsAt } = logOf(owner);
    const position = await log.beforeFirstCommitAfter(microsOf(at), beginsAt, until);
    if (position !== undefined) return { line: owner, position: position < beginsAt ? beginsAt : position };
  }
  return head;
}
