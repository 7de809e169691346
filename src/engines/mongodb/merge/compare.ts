// Documents of two states compared by `_id`: both sides are read in the order of their `_id` index and joined, document by document.
import { hash } from "node:crypto";
import { EJSON } from "bson";
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { MergeRefusal } from "../../../core/merge-plan.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { ComparedTable, RowComparison, RowDifference, RowSelection } from "../../../ports/merge.ts";
import { decode, documentsOf, type Element, elementNamed, integerOf, TYPE } from "../bson/bson.ts";
import { readRaw } from "../bson/raw-cursor.ts";
import type { MongoSession } from "../connect/connect.ts";
import { idKey } from "../oplog/documents.ts";
import type { Namespace, SourceScope } from "../scope.ts";
import { endSides, expiredInWords, type Pair, pairCollections, type Sides, withSides } from "./sides.ts";

/** A document that differs. */
export interface DocumentDifference {
  readonly id: Element;
  readonly key: string;
  /** SHA-256 of the document; null: there is none. */
  readonly past: string | null;
  readonly now: string | null;
}

export const digestOf = (document: Uint8Array): string => hash("sha256", document, "hex");

/** As people read it: text as it is, other values as extended JSON. */
export function idInWords(id: Element): string {
  const value = decode(id);
  return typeof value === "string" ? value : EJSON.stringify(value, { relaxed: true });
}

/** Parses a filter in extended JSON. Throws USAGE for other texts. */
export function filterOf(where: string | undefined): Document {
  if (where === undefined) return {};
  let parsed: unknown;
  try {
    parsed = EJSON.parse(where, { relaxed: false });
  } catch (cause) {
    throw new LifeboatError("USAGE", `the condition is not a filter in extended JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new LifeboatError("USAGE", "the condition is not a filter: give an object in extended JSON");
  return parsed;
}

interface Counted {
  past: number;
  now: number;
}

/** The documents that differ. With a filter, what one side left out is looked up: it may be there with other values. */
export async function comparePair(
  sides: Sides,
  pair: Pair,
  where: string | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly rows: Counted; readonly differences: readonly DocumentDifference[] }> {
  const filter = filterOf(where);
  const rows: Counted = { past: 0, now: 0 };
  const read = (side: keyof Sides) => documentsIn(sides[side], pair[side], filter, signal, () => rows[side]++);
  const found: DocumentDifference[] = [];
  for await (const one of joined(read("past"), read("now"), pair.collated)) found.push(one);
  if (where === undefined) return { rows, differences: found };
  const differences: DocumentDifference[] = [];
  for (const one of found) {
    const past = one.past ?? (await digestNow(sides.past, pair.past, one.id));
    const now = one.now ?? (await digestNow(sides.now, pair.now, one.id));
    if (past !== now) differences.push({ ...one, past, now });
  }
  return { rows, differences };
}

async function digestNow(session: MongoSession, place: Namespace, id: Element): Promise<string | null> {
  const found = await documentsById(session, place, [id]);
  const [document] = found.values();
  return document === undefined ? null : digestOf(document);
}

/** The documents of these `_id`s, by key. */
export async function documentsById(
  session: Pick<MongoSession, "client">,
  { db, collection }: Namespace,
  ids: readonly Element[],
  options: Parameters<ReturnType<ReturnType<MongoSession["client"]["db"]>["collection"]>["find"]>[1] = {},
): Promise<Map<string, Uint8Array>> {
  const filter = { _id: { $in: ids.map(decode) } } as Document;
  const found = new Map<string, Uint8Array>();
  for await (const one of session.client
    .db(db)
    .collection(collection)
    .find(filter, { raw: true, ...options })) {
    const bytes = Uint8Array.from(one as unknown as Uint8Array); // the driver's buffer is used again
    const id = elementNamed(bytes, "_id");
    if (id !== undefined) found.set(idKey(id), bytes);
  }
  return found;
}

interface Doc {
  readonly id: Element;
  readonly key: string;
  readonly bytes: Uint8Array;
}

async function* documentsIn(
  session: MongoSession,
  { db, collection }: Namespace,
  filter: Document,
  signal: AbortSignal | undefined,
  onDocument: () => void,
): AsyncGenerator<Doc, void> {
  for await (const { documents } of readRaw(session, db, { find: collection, filter, sort: { _id: 1 } }, { signal })) {
    for (const bytes of documentsOf(documents)) {
      const id = elementNamed(bytes, "_id");
      if (id === undefined) throw new LifeboatError("INTEGRITY", `a document of ${collection} has no _id`);
      onDocument();
      yield { id, key: idKey(id), bytes };
    }
  }
}

/**
 * Joins two sides in the order of `_id`. Where the order of two values is not certain here, they wait for their counterparts: what waits is
 * what differs, so memory grows with the differences alone.
 */
async function* joined(past: AsyncIterator<Doc>, now: AsyncIterator<Doc>, collated: boolean): AsyncGenerator<DocumentDifference, void> {
  const next = async (side: AsyncIterator<Doc>): Promise<Doc | undefined> => {
    const { done, value } = await side.next();
    return done === true ? undefined : value;
  };
  const waiting = { past: new Map<string, DocumentDifference>(), now: new Map<string, DocumentDifference>() };
  const only = (side: "past" | "now", { id, key, bytes }: Doc): DocumentDifference => {
    const none = { id: { ...id, value: Uint8Array.from(id.value) }, key, past: null, now: null };
    return { ...none, [side]: digestOf(bytes) };
  };
  /** Undefined: nothing waits for it. Null: it is equal to what waited. */
  const counterpart = (side: "past" | "now", doc: Doc): DocumentDifference | null | undefined => {
    const other = side === "past" ? "now" : "past";
    const waits = waiting[other].get(doc.key);
    if (waits === undefined) return undefined;
    waiting[other].delete(doc.key);
    const both = { ...waits, [side]: digestOf(doc.bytes) };
    return both.past === both.now ? null : both;
  };
  let [a, b] = [await next(past), await next(now)];
  while (a !== undefined || b !== undefined) {
    if (a !== undefined && b !== undefined && a.key === b.key) {
      if (Buffer.compare(a.bytes, b.bytes) !== 0) yield { ...only("past", a), now: digestOf(b.bytes) };
      [a, b] = [await next(past), await next(now)];
      continue;
    }
    const order = a === undefined ? 1 : b === undefined ? -1 : orderOf(a.id, b.id, collated);
    if (a !== undefined && order <= 0) {
      const found = counterpart("past", a);
      if (found) yield found;
      else if (found === undefined && order < 0) yield only("past", a);
      else if (found === undefined) waiting.past.set(a.key, only("past", a));
    }
    if (b !== undefined && order >= 0) {
      const found = counterpart("now", b);
      if (found) yield found;
      else if (found === undefined && order > 0) yield only("now", b);
      else if (found === undefined) waiting.now.set(b.key, only("now", b));
    }
    const [advanceA, advanceB] = [order <= 0, order >= 0];
    if (advanceA) a = await next(past);
    if (advanceB) b = await next(now);
  }
  yield* waiting.past.values();
  yield* waiting.now.values();
}

/** Negative or positive where the server's order of two different values is certain; 0 where it is not. */
function orderOf(a: Element, b: Element, collated: boolean): number {
  const [one, two] = [integerOf(a), integerOf(b)];
  if (one !== undefined && two !== undefined) return Number.isSafeInteger(one) && Number.isSafeInteger(two) ? one - two : 0;
  if (a.type !== b.type) return 0;
  if (a.type === TYPE.objectId) return Buffer.compare(a.value, b.value);
  if (a.type === TYPE.string && !collated) return Buffer.compare(a.value.subarray(4), b.value.subarray(4));
  return 0;
}

/** As the port says. */
export async function beginComparison(
  past: Connection,
  now: Connection,
  selection: RowSelection,
  source: SourceScope,
): Promise<RowComparison> {
  filterOf(selection.where);
  return await withSides(past, now, selection, async (sides) => {
    const { pairs, refusals } = await pairCollections(sides, selection.tables, source);
    const doubts = pairs.filter((pair) => pair.isExpiring);
    return {
      refusals: [
        ...refusals,
        ...doubts.map(({ table }): MergeRefusal => ({ table, obstacle: "expiring", message: expiredInWords(table) })),
      ],
      end: () => endSides(sides),
      async *compared(): AsyncGenerator<ComparedTable, void> {
        for (const pair of pairs) {
          const { rows, differences } = await comparePair(sides, pair, selection.where, selection.signal);
          yield {
            table: pair.table,
            key: ["_id"],
            rows,
            differs: differences.length > 0,
            async *differences() {
              for (const one of differences) yield asRow(one);
            },
          };
        }
      },
    };
  });
}

const asRow = ({ id, past, now }: DocumentDifference): RowDifference => ({
  key: [idInWords(id)],
  change: now === null ? "only then" : past === null ? "only now" : "changed",
  past,
  now,
});
