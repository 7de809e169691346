// Rows into tables that exist, in one transaction: all of them or none, with their foreign keys checked before they are visible.
import { open } from "node:fs/promises";
import { LifeboatError } from "../../../core/errors.ts";
import type { LoadOptions } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import { rowsAt } from "../archive/rows.ts";
import { expectedSequences } from "../archive/sequences.ts";
import type { WalkedArchive } from "../archive/walker.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, readableName } from "../connect/quote.ts";
import { refuseBlocked } from "../erasure/obstacle.ts";
import { existing, inTransaction } from "./clear.ts";
import { copyIn } from "./copy-in.ts";
import { type ForeignKey, referredFromOutside, violations } from "./foreign-keys.ts";
import { holdStill, lockWhole } from "./hold-still.ts";
import { isSingle } from "./statement.ts";

export interface RowsLoad {
  /** Of the role that fills the tables. */
  readonly client: Client;
  readonly archiveFile: string;
  readonly walked: WalkedArchive;
  /** In the order in which they are filled. */
  readonly entries: readonly TocEntry[];
  /** Keys that no trigger checks here; absent: triggers do. */
  readonly keys?: readonly ForeignKey[] | undefined;
  /** Everything beside tables and sequences: done when the rows are in and found good, before they are committed. */
  readonly others?: (() => Promise<void>) | undefined;
  readonly options: LoadOptions;
}

/** Throws LOAD_FAILED, DISK_FULL or the abort's reason; then nothing has changed. */
export async function fillTables(load: RowsLoad): Promise<void> {
  const { client, archiveFile, walked, entries, keys, options } = load;
  const tables = tablesOf(entries);
  const sequences = await findSequences(client, entries);
  const file = await open(archiveFile, "r");
  try {
    await inTransaction(client, "filled", async () => {
      await refuseMissingTables(client, entries);
      await holdStill(client, tables, options);
      await emptyTables(client, tables, keys, options.replace === true);
      for (const table of tables) {
        const blockAt = walked.blocks.get(table.dumpId);
        if (blockAt === undefined || !/^COPY /.test(table.copyStatement) || !isSingle(table.copyStatement))
          throw new LifeboatError("LOAD_FAILED", `the backup does not hold the rows of ${quotedName(table)} as COPY writes them`);
        await copyIn(client, table.copyStatement, advancing(rowsAt(file, blockAt, walked.contents.header.intSize), options));
      }
      const [first, ...more] = await violations(client, keys ?? []);
      if (first !== undefined) {
        const others = more.length > 0 ? ` and ${more.length} more foreign keys are violated` : "";
        throw new LifeboatError("LOAD_FAILED", `${client.connection.label} was left as it was: ${first}${others}`, {
          hint: "restore the tables on the other side of the key together with these, or into a new database",
          details: { violations: [first, ...more] },
        });
      }
      await refuseBlocked(client, options.erased ?? [], tables);
      await load.others?.();
      await advanceSequences(client, sequences);
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await file.close();
  }
}

/** LOAD_FAILED, naming tables that rows would go into and that are not there. */
export async function refuseMissingTables(client: Client, entries: readonly TocEntry[]): Promise<void> {
  const tables = tablesOf(entries);
  const there = new Set(await existing(client, tables));
  const missing = tables
    .filter((table) => !there.has(quotedName(table)))
    .map(({ schema, name }) => `${readableName(schema)}.${readableName(name)}`);
  if (missing.length === 0) return;
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : "";
  throw new LifeboatError("LOAD_FAILED", `${client.connection.label} lacks the table ${missing.slice(0, NAMED).join(", ")}${more}`, {
    hint: "create it, choose others with --tables, or restore without --data-only",
  });
}

const NAMED = 3;

export const tablesOf = (entries: readonly TocEntry[]): TocEntry[] => entries.filter(({ kind }) => kind === "TABLE DATA");

/** Where nothing is truncated, others may read until the rows are committed; they change nothing in the meantime. */
async function emptyTables(
  client: Client,
  tables: readonly TocEntry[],
  keys: readonly ForeignKey[] | undefined,
  replace: boolean,
): Promise<void> {
  if (tables.length === 0 || (!replace && keys === undefined)) return;
  const referred = referredFromOutside(keys ?? []);
  const only = (some: readonly TocEntry[]): string => some.map((table) => `only ${quotedName(table)}`).join(", ");
  const [deleted, truncated] = [tables.filter((_, place) => referred.has(place)), tables.filter((_, place) => !referred.has(place))];
  // No trigger runs where keys are checked here, so that a row may be deleted as well: readers need not be waited for.
  const mayDelete = keys !== undefined;
  if (mayDelete) await client.query(`lock table ${only(tables)} in exclusive mode`);
  if (!replace) return;
  const truncates = truncated.length > 0 && (!mayDelete || (await lockWhole(client, only(truncated))));
  for (const table of truncates ? deleted : tables) await client.query(`delete from only ${quotedName(table)}`);
  if (truncates) await client.query(`truncate ${only(truncated)}`);
}

const quotedName = ({ schema, name }: TocEntry): string => `${quote(schema)}.${quote(name)}`;

async function* advancing(rows: AsyncIterable<Uint8Array>, { progress, signal }: LoadOptions): AsyncGenerator<Uint8Array> {
  for await (const chunk of rows) {
    signal?.throwIfAborted();
    progress?.advance(chunk.length);
    yield chunk;
  }
}

// Sequences of a live database go forwards only: a number that was given once may be in use anywhere.

interface Setting {
  /** As the catalog writes it: what an archive writes is not put into a statement. */
  readonly name: string;
  readonly value: string;
  readonly called: string;
}

/** LOAD_FAILED when the database lacks one of the sequences that the entries set. */
async function findSequences(client: Client, entries: readonly TocEntry[]): Promise<Setting[]> {
  const states = Object.entries(expectedSequences(entries));
  const rows = await client.query<{ asked: string; name: string }>(
    `select asked, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name
     from pg_catalog.unnest($1::pg_catalog.text[]) asked join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(asked) and c.relkind = 'S'
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace`,
    [states.map(([asked]) => asked)],
  );
  const names = new Map(rows.map(({ asked, name }) => [asked, name]));
  return states.map(([asked, state]) => {
    const name = names.get(asked);
    const [value = "", called = ""] = state.split(",");
    if (name === undefined) throw new LifeboatError("LOAD_FAILED", `${client.connection.label} lacks the sequence ${asked}`);
    return { name, value, called };
  });
}

/**
 * Sets each sequence to where the archive has it, unless it has gone as far by itself. A rollback does not take this back, which does no
 * harm: numbers are left out.
 */
async function advanceSequences(client: Client, settings: readonly Setting[]): Promise<void> {
  for (const { name, value, called } of settings) {
    await client.query(
      `select pg_catalog.setval(q.seqrelid::pg_catalog.regclass, $2::bigint, $3::pg_catalog.bool)
       from ${name} s, pg_catalog.pg_sequence q where q.seqrelid = pg_catalog.to_regclass($1)
         and case when s.last_value = $2::bigint then not s.is_called when q.seqincrement < 0 then s.last_value > $2::bigint else s.last_value < $2::bigint end`,
      [name, value, called],
    );
  }
}
