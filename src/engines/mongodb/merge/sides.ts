// The two states of a database that are compared: the restored copy and the live one, and which collections of them belong together.
import type { MergeRefusal } from "../../../core/merge-plan.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { RowSelection } from "../../../ports/merge.ts";
import { elementNamed, isTruthy } from "../bson/bson.ts";
import { type MongoSession, openMongo } from "../connect/connect.ts";
import { listSource, type SourceCollection } from "../dump/collections.ts";
import { assertChosen, chooserOf, type Namespace, type SourceScope, scopeOf } from "../scope.ts";
import { isExpiring } from "../ttl/ttl.ts";

export interface Sides {
  readonly past: MongoSession;
  readonly now: MongoSession;
}

/** A collection on both sides. */
export interface Pair {
  readonly table: string;
  readonly past: Namespace;
  readonly now: Namespace;
  /** Text is ordered by a collation, which is not followed here. */
  readonly collated: boolean;
  /** The restored copy removes documents that have expired: what is not there may have been there then. */
  readonly isExpiring: boolean;
}

export async function withSides<T>(
  past: Connection,
  now: Connection,
  { signal }: RowSelection,
  use: (sides: Sides) => Promise<T>,
): Promise<T> {
  const copy = await openMongo(past, { signal, poolSize: 4 });
  try {
    const live = await openMongo(now, { signal, poolSize: 4 });
    return await use({ past: copy, now: live }).catch(async (error: unknown) => {
      await live.close();
      throw live.translate(error, { otherwise: "DUMP_FAILED" });
    });
  } catch (error) {
    await copy.close();
    throw error;
  }
}

export const endSides = async ({ past, now }: Sides): Promise<void> => {
  await Promise.all([past.close(), now.close()]);
};

export async function pairCollections(
  sides: Sides,
  patterns: readonly string[] | undefined,
  source: SourceScope,
): Promise<{ readonly pairs: readonly Pair[]; readonly refusals: readonly MergeRefusal[] }> {
  const listed = async (session: MongoSession): Promise<Map<string, SourceCollection>> => {
    const scope = scopeOf(session.connection, source, patterns);
    const { collections } = await listSource(session, scope, chooserOf(scope, patterns));
    return new Map(collections.map((one) => [one.table, one]));
  };
  const [past, now] = await Promise.all([listed(sides.past), listed(sides.now)]);
  const tables = [...new Set([...past.keys(), ...now.keys()])].sort();
  if (patterns !== undefined) assertChosen(patterns, tables, sides.now.connection.label);
  const pairs: Pair[] = [];
  const refusals: MergeRefusal[] = [];
  for (const table of tables) {
    const [before, after] = [past.get(table), now.get(table)];
    const refusal = refusalOf(table, before, after);
    if (refusal !== undefined) refusals.push(refusal);
    else if (before !== undefined && after !== undefined) {
      const collated = elementNamed(after.options, "collation") !== undefined;
      const isExpired = await isExpiring(sides.past, placeOf(before));
      pairs.push({ table, past: placeOf(before), now: placeOf(after), collated, isExpiring: isExpired });
    }
  }
  return { pairs, refusals };
}

/** Of a pair whose documents expire in the restored copy. */
export const expiredInWords = (table: string): string =>
  `documents of ${table} expire: those that expired after that instant are not in the restored copy`;

const placeOf = ({ db, collection }: SourceCollection): Namespace => ({ db, collection });

function refusalOf(table: string, past: SourceCollection | undefined, now: SourceCollection | undefined): MergeRefusal | undefined {
  if (now === undefined) return { table, obstacle: "only then", message: `there is no collection ${table} now: it was dropped or renamed` };
  if (past === undefined)
    return { table, obstacle: "only now", message: `there was no collection ${table} then: it was created or renamed later` };
  if (now.type === "view" || past.type === "view")
    return { table, obstacle: "other kind", message: `${table} is a view: it has no documents of its own` };
  if (now.type === "timeseries" || past.type === "timeseries")
    return { table, obstacle: "no key", message: `${table} is a time series: the _id of its measurements need not be unique` };
  const capped = isTruthy(elementNamed(now.options, "capped"));
  return capped
    ? { table, obstacle: "other kind", message: `${table} is capped: a document cannot return to its place in the order of insertion` }
    : undefined;
}
