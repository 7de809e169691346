// How old the newest document is, by a field that holds dates, timestamps or object ids.
import { ObjectId, Timestamp } from "bson";
import type { Document } from "mongodb";
import type { Check } from "../../../core/verdict.ts";
import type { Namespace } from "../scope.ts";

/** How far an application's clock may be ahead of the server's. */
const CLOCK_SKEW_MS = 300_000;
/** Types that say when, by the names that a query knows them by. */
const TYPES = ["date", "timestamp", "objectId"] as const;

/** The age is counted back from `asOf`. A field may be written with dots; of a list of dates the latest counts. */
export async function newestOf(asked: Asked, field: string, withinMs: number | undefined, asOf: Date): Promise<Answer> {
  let newest: Date | undefined;
  for (const type of TYPES) {
    const at = await latest(asked, field, type);
    if (at !== undefined && (newest === undefined || at > newest)) newest = at;
  }
  if (newest === undefined) {
    return { outcome: "inconclusive", message: `no document has a date in ${field}: nothing was covered`, rows: 0 };
  }
  const text = newest.toISOString();
  const ageMs = asOf.getTime() - newest.getTime();
  const actual = `${text}, ${Math.round(ageMs / 1000)} s before the snapshot`;
  if (withinMs === undefined) return { outcome: "pass", message: `the newest document is of ${text}`, actual };
  const expected = `at most ${withinMs / 1000} s before ${asOf.toISOString()}`;
  if (ageMs < -CLOCK_SKEW_MS) {
    const message = `the newest ${field}, ${text}, lies after the snapshot: documents dated ahead hide how old the data is`;
    return { outcome: "inconclusive", message, expected, actual: text };
  }
  if (ageMs > withinMs) return { outcome: "fail", message: `the newest document is too old: ${actual}`, expected, actual };
  return { outcome: "pass", message: `the newest document is of ${text}`, expected, actual };
}

async function latest(asked: Asked, field: string, type: string): Promise<Date | undefined> {
  const reply = await asked.command({
    find: asked.namespace.collection,
    filter: { [field]: { $type: type } },
    sort: { [field]: -1 },
    limit: 1,
    singleBatch: true,
    // Without an index it is the best of all that is kept, not all of it: one document.
    allowDiskUse: false,
  });
  const [first] = reply.cursor.firstBatch as Document[];
  return first === undefined ? undefined : instantsAt(first, field.split(".")).reduce(later, undefined);
}

const later = (a: Date | undefined, b: Date): Date => (a === undefined || b > a ? b : a);

/** Every instant at a path, into lists as a query goes. */
function instantsAt(value: unknown, path: readonly string[]): Date[] {
  if (Array.isArray(value)) return value.flatMap((each) => instantsAt(each, path));
  const [key, ...rest] = path;
  if (key !== undefined) {
    const isDocument = typeof value === "object" && value !== null;
    return isDocument ? instantsAt((value as Document)[key], rest) : [];
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? [] : [value];
  if (value instanceof ObjectId) return [value.getTimestamp()];
  if (value instanceof Timestamp) return [new Date(value.getHighBitsUnsigned() * 1000)];
  return [];
}

// What a question is asked of, and what an answer is.

export type Answer = Pick<Check, "outcome" | "message"> & Partial<Check>;

/** What a question is asked of: one collection, for so long. */
export interface Asked {
  readonly namespace: Namespace;
  /** One command on the collection's database, read-only, that the server ends at the deadline. */
  command(command: Document): Promise<Document>;
}
