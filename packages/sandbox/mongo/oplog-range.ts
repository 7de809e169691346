// Which part of the log a filter can match at all: found by its bounds on `ts`, so that no read begins at the beginning.
import { type Document, Timestamp } from "bson";
import { type Position, positionOf } from "./position.ts";
import { isPlain } from "./values.ts";

export interface Range {
  from: Position;
  to: Position;
}

export function oplogRange(filter: Document | undefined, latest: Position): Range {
  const range = { from: 0, to: latest };
  narrow(range, filter);
  return range;
}

function narrow(range: Range, filter: unknown): void {
  if (!isPlain(filter)) return;
  if (Array.isArray(filter.$and)) for (const each of filter.$and) narrow(range, each);
  const wanted = filter.ts;
  if (wanted instanceof Timestamp) bound(range, "$eq", wanted);
  else if (isPlain(wanted)) for (const [operator, value] of Object.entries(wanted)) bound(range, operator, value);
}

function bound(range: Range, operator: string, value: unknown): void {
  if (!(value instanceof Timestamp)) return;
  const position = positionOf(value);
  if (operator === "$eq" || operator === "$gte" || operator === "$gt")
    range.from = Math.max(range.from, operator === "$gt" ? position + 1 : position);
  if (operator === "$eq" || operator === "$lte" || operator === "$lt")
    range.to = Math.min(range.to, operator === "$lt" ? position - 1 : position);
}
