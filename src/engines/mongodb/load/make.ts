// Makes collections, indexes, rules and views on the server; a refusal is a problem, and the load continues.
import { type Document, MongoServerError } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";
import { isRefusal, serverCodeOf } from "../connect/translate.ts";
import type { Definition } from "./definition.ts";
import type { LoadItem } from "./items.ts";
import type { Problems } from "./problems.ts";

const DUPLICATE_KEY = 11_000;

/** What one failed command of a load means: a problem where the server refused just that; everything else ends the load. */
export async function attempt(problems: Problems, what: string, act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    problems.add(`${what}: ${error.message}`);
    return false;
  }
}

export const wordsOf = ({ to }: Pick<LoadItem, "to">): string => `${to.db}.${to.collection}`;

/** False when the server refused: nothing can be put into it then. */
export async function makeCollection(session: MongoSession, item: LoadItem, { create }: Definition, problems: Problems): Promise<boolean> {
  const { db, collection } = item.to;
  const what = `${item.type} ${wordsOf(item)} could not be made`;
  return await attempt(problems, what, () => session.command(db, { create: collection, ...create }));
}

/**
 * Builds all in one command, which reads the documents once; where that is refused, one by one, to name the refused one. `withhold` takes
 * unique indexes that the documents do not allow yet. Default: those are problems.
 */
export async function makeIndexes(
  session: MongoSession,
  item: LoadItem,
  { indexes }: Definition,
  problems: Problems,
  withhold?: (index: Document) => void,
): Promise<void> {
  const { db, collection } = item.to;
  const make = (some: readonly Document[]) => session.command(db, { createIndexes: collection, indexes: [...some] });
  if (item.type === "timeseries") await dropOthers(session, item, indexes, problems);
  if (indexes.length === 0) return;
  const together = await make(indexes).then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof MongoServerError)) throw error;
      return false;
    },
  );
  if (together) return;
  for (const index of indexes) {
    const build = (): Promise<unknown> =>
      make([index]).catch((error: unknown) => {
        if (withhold === undefined || serverCodeOf(error) !== DUPLICATE_KEY) throw error;
        withhold(index);
      });
    await attempt(problems, `index ${String(index.name)} of ${wordsOf(item)} could not be made`, build);
  }
}

/** A time series is born with an index, which may have been dropped at the source. */
async function dropOthers(session: MongoSession, item: LoadItem, indexes: readonly Document[], problems: Problems): Promise<void> {
  const { db, collection } = item.to;
  const reply = await session.command(db, { listIndexes: collection, cursor: { batchSize: 1000 } });
  const wanted = new Set(indexes.map(({ name }) => name));
  const names = (reply.cursor.firstBatch as Document[])
    .map(({ name }) => String(name))
    .filter((name) => !wanted.has(name) && name !== "_id_");
  for (const name of names) {
    const what = `index ${name} of ${wordsOf(item)}, which the source has not, could not be dropped`;
    await attempt(problems, what, () => session.command(db, { dropIndexes: collection, index: name }));
  }
}

/** Changes of a collection once its documents are there. */
export async function modify(
  session: MongoSession,
  item: Pick<LoadItem, "to">,
  change: Document,
  problems: Problems,
  what: string,
): Promise<void> {
  const { db, collection } = item.to;
  const writeConcern = { w: "majority", wtimeout: 60_000 };
  await attempt(problems, `${what} of ${wordsOf(item)} could not be set`, () =>
    session.command(db, { collMod: collection, ...change, writeConcern }),
  );
}

/** Views of a database in an order in which each comes after what it is a view of. */
export function inOrder(views: readonly LoadItem[]): LoadItem[] {
  const key = (db: string, collection: unknown): string => `${db}.${String(collection)}`;
  const waiting = new Map(views.map((view) => [key(view.to.db, view.to.collection), view]));
  const ordered: LoadItem[] = [];
  for (const first of [...waiting.keys()]) {
    const chain: LoadItem[] = [];
    for (let name = first, view = waiting.get(name); view !== undefined; view = waiting.get(name)) {
      waiting.delete(name);
      chain.push(view);
      const { options } = view.metadata;
      name = key(view.to.db, options instanceof Map ? options.get("viewOn") : options.viewOn);
    }
    for (const view of chain.reverse()) ordered.push(view);
  }
  return ordered;
}
