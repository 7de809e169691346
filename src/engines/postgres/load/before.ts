// Tables that a restore replaces: kept in schemas of the job's own until what took their place has been compared. A load that fails, or
// a job that dies, puts them back as they were.
import { LifeboatError } from "../../../core/errors.ts";
import type { LoadOptions } from "../../../ports/engine.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, quoteText } from "../connect/quote.ts";
import { existing, inTransaction } from "./clear.ts";
import { holdStill, namesOf, type TableName } from "./hold-still.ts";

export interface Keeper {
  readonly jobId: string;
  /** Only what carries it is the job's. */
  readonly mark: string;
}

const PREFIX = "lifeboat_before_";
const LONGEST_NAME_BYTES = 63;

function placeOf(jobId: string, number: number | ""): string {
  const name = `${PREFIX}${jobId.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_")}_${number}`;
  if (Buffer.byteLength(name) < LONGEST_NAME_BYTES) return name;
  throw new LifeboatError("LOAD_FAILED", `the job's id ${jobId} cannot be part of a schema's name`);
}

/**
 * Moves those of the tables that exist out of the way, with their indexes, constraints and sequences, in one transaction. LOAD_FAILED, and
 * nothing is changed, where other objects depend on them.
 */
export async function setTablesAside(
  client: Client,
  replaced: readonly TableName[],
  { jobId, mark }: Keeper,
  options: Pick<LoadOptions, "beforeChange" | "removes"> = {},
): Promise<void> {
  const tables = [...replaced, ...(await namesOf(client, options.removes ?? []))];
  const names = await existing(client, tables);
  if (names.length === 0) return;
  await refuseChildren(client, names);
  await inTransaction(client, "replaced", async () => {
    await holdStill(client, tables, options);
    // The server itself says what depends on them.
    await client.query(`savepoint whole; drop table ${names.join(", ")}; rollback to savepoint whole`);
    for (const [number, schema] of [...new Set(tables.map((table) => table.schema))].entries()) {
      const place = placeOf(jobId, number);
      await client.query(`create schema ${place}; comment on schema ${place} is ${quoteText(`${mark}\n${schema}`)}`);
      const some = await existing(
        client,
        tables.filter((table) => table.schema === schema),
      );
      for (const name of some) await client.query(`alter table ${name} set schema ${place}`);
    }
  });
}

/** A table whose parent stays would be missing from the parent: those who read a partitioned table would lose the rows of a partition. */
export async function refuseChildren(client: Client, names: readonly string[]): Promise<void> {
  const [found] = await client.query<{ child: string; parent: string }>(
    `select pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(d.relname) as child,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as parent
     from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhparent join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     join pg_catalog.pg_class d on d.oid = i.inhrelid join pg_catalog.pg_namespace m on m.oid = d.relnamespace
     where i.inhrelid = any (select pg_catalog.to_regclass(one)::pg_catalog.oid from pg_catalog.unnest($1::pg_catalog.text[]) one)
       and i.inhparent <> all (select pg_catalog.to_regclass(one)::pg_catalog.oid from pg_catalog.unnest($1::pg_catalog.text[]) one) order by 1, 2 limit 1`,
    [names],
  );
  if (found === undefined) return;
  const { child, parent } = found;
  throw new LifeboatError("LOAD_FAILED", `${child} belongs to ${parent}, which would lose it: it cannot be replaced alone`, {
    hint: `nothing was changed; --data-only replaces the rows and keeps the tables; or choose ${parent}`,
  });
}

interface Place {
  readonly schema: string;
  /** Where its tables came from. */
  readonly origin: string;
}

async function placesOf(client: Client, { jobId, mark }: Keeper): Promise<Place[]> {
  const rows = await client.query<{ schema: string; comment: string | null }>(
    `select nspname::pg_catalog.text as schema, pg_catalog.obj_description(oid, 'pg_namespace') as comment from pg_catalog.pg_namespace
     where pg_catalog.starts_with(nspname::pg_catalog.text, $1) order by 1`,
    [placeOf(jobId, "")],
  );
  return rows.flatMap(({ schema, comment }) =>
    comment?.startsWith(`${mark}\n`) === true ? [{ schema, origin: comment.slice(mark.length + 1) }] : [],
  );
}

/** Everything as it was: what has taken the place of the tables goes. Gives whether there was anything to put back. */
export async function putTablesBack(client: Client, keeper: Keeper): Promise<boolean> {
  const places = await placesOf(client, keeper);
  if (places.length === 0) return false;
  await inTransaction(client, "put back as it was", async () => {
    for (const { schema, origin } of places) {
      const tables = await client.query<{ name: string }>(
        `select c.relname::pg_catalog.text as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relkind in ('r', 'p')`,
        [schema],
      );
      const newer = tables.map(({ name }) => `${quote(origin)}.${quote(name)}`);
      if (newer.length > 0) await client.query(`drop table if exists ${newer.join(", ")} cascade`);
      for (const { name } of tables) await client.query(`alter table ${quote(schema)}.${quote(name)} set schema ${quote(origin)}`);
      await client.query(`drop schema ${quote(schema)}`);
    }
  });
  return true;
}

/** Restored sequences continue where the replaced ones ended: a number that was given once may be in use anywhere. */
export async function goOnFrom(client: Client, keeper: Keeper): Promise<void> {
  for (const { schema, origin } of await placesOf(client, keeper)) {
    const pairs = await client.query<{ before: string; now: string; down: boolean }>(
      `select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as before,
         pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(d.relname) as now, q.seqincrement < 0 as down
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = $1
       join pg_catalog.pg_namespace m on m.nspname = $2
       join pg_catalog.pg_class d on d.relnamespace = m.oid and d.relname = c.relname and d.relkind = 'S'
       join pg_catalog.pg_sequence q on q.seqrelid = d.oid where c.relkind = 'S'`,
      [schema, origin],
    );
    for (const { before, now, down } of pairs) {
      const further = `b.last_value ${down ? "<" : ">"} s.last_value or (b.last_value = s.last_value and not s.is_called)`;
      await client.query(
        `select pg_catalog.setval(pg_catalog.to_regclass($1), b.last_value) from ${before} b, ${now} s where b.is_called and (${further})`,
        [now],
      );
    }
  }
}

/** The end of a load that went well. */
export async function dropTablesAside(client: Client, keeper: Keeper): Promise<void> {
  const places = await placesOf(client, keeper);
  if (places.length === 0) return;
  await inTransaction(client, "rid of what was replaced", async () => {
    await client.query(`drop schema ${places.map(({ schema }) => quote(schema)).join(", ")} cascade`);
  });
}
