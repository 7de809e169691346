// Sequences of a live database go forwards only: a number that was given once may be in use anywhere.
import { LifeboatError } from "../../../core/errors.ts";
import type { TocEntry } from "../archive/contents.ts";
import { expectedSequences } from "../archive/sequences.ts";
import type { Client } from "../connect/client.ts";

interface Setting {
  /** As the catalog writes it: what an archive writes is not put into a statement. */
  readonly name: string;
  readonly value: string;
  readonly called: string;
}

/** LOAD_FAILED when the database lacks one of the sequences that the entries set. */
export async function findSequences(client: Client, entries: readonly TocEntry[]): Promise<Setting[]> {
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
export async function advanceSequences(client: Client, settings: readonly Setting[]): Promise<void> {
  for (const { name, value, called } of settings) {
    await client.query(
      `select pg_catalog.setval(q.seqrelid::pg_catalog.regclass, $2::bigint, $3::pg_catalog.bool)
       from ${name} s, pg_catalog.pg_sequence q where q.seqrelid = pg_catalog.to_regclass($1)
         and case when s.last_value = $2::bigint then not s.is_called when q.seqincrement < 0 then s.last_value > $2::bigint else s.last_value < $2::bigint end`,
      [name, value, called],
    );
  }
}
