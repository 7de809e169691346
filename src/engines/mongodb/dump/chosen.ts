// What a backup of chosen collections would hold, by the same rules as the dump.
import { LifeboatError } from "../../../core/errors.ts";
import type { Chosen, Gap } from "../../../ports/chosen.ts";
import { elementNamed, TYPE, textOf } from "../bson/bson.ts";
import type { MongoSession } from "../connect/connect.ts";
import { assertChosen, chooserOf, type Scope, tableName } from "../scope.ts";
import { listSource, type SourceCollection } from "./collections.ts";

/** TABLE_UNKNOWN as a backup of them. */
export async function chosenOf(mongo: MongoSession, scope: Scope, patterns: readonly string[]): Promise<Chosen> {
  const { collections } = await listSource(mongo, scope, chooserOf(scope, patterns));
  await assertHeld(mongo, scope, patterns, collections);
  return { names: collections.map(({ table }) => table), along: [], gaps: gapsOf(scope, collections) };
}

/** TABLE_UNKNOWN for a pattern that chooses nothing, and where views alone are chosen: such a backup would hold no documents. */
export async function assertHeld(
  mongo: MongoSession,
  scope: Scope,
  patterns: readonly string[],
  chosen: readonly SourceCollection[],
): Promise<void> {
  const { label } = mongo.connection;
  const isChosen = patterns.map((pattern) => chooserOf(scope, [pattern]));
  if (!isChosen.every((matches) => chosen.some(matches))) {
    const { collections } = await listSource(mongo, scope, chooserOf(scope, undefined));
    const all = collections.map(({ table }) => table);
    assertChosen(patterns, all, label);
  }
  const [first] = chosen;
  if (first === undefined || chosen.some(({ type }) => type !== "view")) return;
  throw new LifeboatError(
    "TABLE_UNKNOWN",
    `${first.table} of ${label} is a view, which holds no documents: choose the collections that it reads`,
  );
}

/** Views whose collection is not chosen. */
export function gapsOf(scope: Scope, chosen: readonly SourceCollection[]): Gap[] {
  const names = new Set(chosen.map(({ table }) => table));
  return chosen.flatMap(({ db, table, type, options }): Gap[] => {
    const on = type === "view" ? elementNamed(options, "viewOn") : undefined;
    if (on?.type !== TYPE.string) return [];
    const read = tableName(scope, { db, collection: textOf(on) });
    if (names.has(read)) return [];
    return [
      {
        kind: "views",
        object: `${table} (of ${read})`,
        reason: "the collection that it reads was not chosen",
        choose: read,
        mayFail: false,
      },
    ];
  });
}
