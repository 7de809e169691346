// Databases of a job's own: marked when they are made, and dropped only by that mark.
//
// The mark is the database's comment. CREATE DATABASE cannot be part of a transaction, so a crash may come between it and the comment:
// what it leaves is empty, and nothing is lost when an empty database goes.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Undone } from "../../../ports/resource.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, quoteText } from "../connect/quote.ts";

/** As the first thing after it was made; undefined: the mark goes, and the database stays. */
export async function markDatabase(client: Client, name: string, mark: string | undefined): Promise<void> {
  await client.query(`comment on database ${quote(name)} is ${mark === undefined ? "null" : quoteText(mark)}`);
}

export interface DropOptions extends Work {
  readonly mark: string;
  /** Objects that the database holds, a few of them; asked only where it carries no mark. */
  readonly occupants: () => Promise<readonly string[]>;
  /** What must go before the database can; called where it is proven to be the job's. */
  readonly before: () => Promise<void>;
}

/**
 * Drops it, with its sessions, where it carries the mark; one that carries none and is empty goes too, unless a session uses it.
 * SCRATCH_FAILED for every other: its name alone says nothing about who made it.
 */
export async function dropOwnDatabase(client: Client, name: string, { mark, occupants, before }: DropOptions): Promise<Undone> {
  const comment = await commentOf(client, name);
  if (comment === undefined) return "absent";
  if (comment === mark) {
    await before();
    await dropForced(client, name);
    return "removed";
  }
  if (comment !== null) throw leftAlone(name, "it does not carry the mark of the job that is cleaned up");
  const [first] = await occupants();
  if (first !== undefined) throw leftAlone(name, `it carries no mark of Lifeboat's and holds ${first}`);
  await client.query(`drop database if exists ${quote(name)}`);
  return "removed";
}

/** Drops it with all content and sessions: only for a database known to be the job's. */
export async function dropForced(client: Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${quote(name)} with (force)`);
}

/** Undefined: there is no such database. Null: it has none. */
export async function commentOf(client: Client, name: string): Promise<string | null | undefined> {
  const [row] = await client.query<{ comment: string | null }>(
    "select pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database where datname = $1",
    [name],
  );
  return row?.comment;
}

const leftAlone = (name: string, why: string): LifeboatError =>
  new LifeboatError("SCRATCH_FAILED", `the database ${name} is left as it is: ${why}`, {
    hint: `look into it; when it can go, run \`dropdb ${/^[a-z0-9_]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`}\` on its server`,
  });
