// Chosen tables into a database that is in use: they come whole, or the database is as it was.
import type { ErasedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { LoadResult } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import { type Client, openClient } from "../connect/client.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { refuseBlocked } from "../erasure/obstacle.ts";
import { dropTablesAside, goOnFrom, type Keeper, putTablesBack } from "./before.ts";
import { existing, inTransaction } from "./clear.ts";
import { isSingle } from "./statement.ts";

type Loaded = Pick<LoadResult, "problems" | "reader" | "release">;

export interface Change {
  readonly client: Client;
  readonly target: Connection;
  readonly keeper: Keeper;
  readonly tables: readonly TocEntry[];
  /** Of the tables, those that were there: `existing`. */
  readonly before: readonly string[];
  /** Rows that are erased afterwards. */
  readonly erased?: readonly ErasedKeys[] | undefined;
  /** Objects that the tables depend on and the database lacked. */
  readonly foundations: readonly TocEntry[];
}

/** Replaced tables are dropped when the copy has been compared. LOAD_FAILED also for errors that pg_restore otherwise continues after. */
export async function allOrNothing(change: Change, bring: () => Promise<Loaded>): Promise<Loaded> {
  const { client, target, keeper } = change;
  try {
    const loaded = await bring();
    const [first, ...more] = loaded.problems;
    if (first !== undefined) {
      const others = more.length > 0 ? ` (and ${more.length} more errors)` : "";
      throw new LifeboatError("LOAD_FAILED", `${target.label} was left as it was: ${first}${others}`, {
        details: { problems: loaded.problems },
      });
    }
    await refuseBlocked(client, change.erased ?? [], change.tables);
    await goOnFrom(client, keeper);
    return { ...loaded, release: () => finish(target, keeper, loaded) };
  } catch (error) {
    await revert(change);
    throw error;
  }
}

async function finish(target: Connection, keeper: Keeper, loaded: Loaded): Promise<readonly string[]> {
  await over(target, (client) => dropTablesAside(client, keeper));
  return (await loaded.release?.()) ?? [];
}

/** Over a connection of its own: the load's may have been cut. */
async function revert({ target, keeper, tables, before, foundations }: Change): Promise<void> {
  await over(target, async (client) => {
    await putTablesBack(client, keeper);
    const made = (await existing(client, tables)).filter((name) => !before.includes(name));
    await inTransaction(client, "put back as it was", async () => {
      if (made.length > 0) await client.query(`drop table ${made.join(", ")} cascade`);
      for (const { kind, dropStatement } of foundations.toReversed()) {
        if (dropStatement.startsWith(`DROP ${kind} `) && isSingle(dropStatement)) await dropIfFree(client, dropStatement);
      }
    });
  });
}

/** What has come into use meanwhile, or was never made, stays as it is. */
async function dropIfFree(client: Client, statement: string): Promise<void> {
  try {
    await client.query(`savepoint one; ${statement.replace(/;\s*$/, "")}; release savepoint one`);
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    await client.query("rollback to savepoint one");
  }
}

async function over(target: Connection, act: (client: Client) => Promise<unknown>): Promise<void> {
  const client = await openClient(target);
  try {
    await act(client);
  } finally {
    await client.close();
  }
}
