// Columns that refer to other databases, read as text.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { ReferenceReader } from "../../../ports/references.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { quoteName } from "../connect/quote.ts";
import { translateError } from "../connect/translate.ts";

const BATCH = 2_000;

interface Column {
  readonly table: string;
  readonly column: string;
  /** Its type, where values can be cast to it: an index is used then. */
  readonly type?: string | undefined;
}

/** What a value must look like to be one of the type. */
const CASTABLE: Readonly<Record<string, (value: string) => boolean>> = {
  int2: (value) => isBetween(value, 15n),
  int4: (value) => isBetween(value, 31n),
  int8: (value) => isBetween(value, 63n),
  uuid: (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value),
  text: () => true,
  varchar: () => true,
};

function isBetween(value: string, bits: bigint): boolean {
  if (!/^(0|-?[1-9]\d{0,18})$/.test(value)) return false;
  const number = BigInt(value);
  return number >= -(1n << bits) && number < 1n << bits;
}

const COLUMN = `select pg_catalog.format('%I.%I', n.nspname, c.relname) as "table", a.attname::pg_catalog.text as "column", t.typname::pg_catalog.text as type
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_type t on t.oid = a.atttypid
where c.relname = $1 and a.attname = $2 and n.nspname = any ($3::pg_catalog.text[]) and not a.attisdropped and a.attnum > 0
order by pg_catalog.array_position($3::pg_catalog.text[], n.nspname::pg_catalog.text) limit 1`;

export const references: ReferenceReader = {
  async *values(connection, path, { signal } = {}) {
    const client = await openClient(connection, { signal });
    try {
      const { table, column } = await columnOf(client, connection, path, signal);
      await client.query("begin read only");
      await client.query(
        `declare found no scroll cursor for select distinct ${column}::pg_catalog.text as v from ${table} where ${column} is not null`,
      );
      for (;;) {
        const rows = await client.query<{ v: string }>(`fetch ${BATCH} from found`);
        if (rows.length === 0) return;
        yield rows.map(({ v }) => v);
      }
    } catch (error) {
      throw translateError(error, connection);
    } finally {
      await client.close();
    }
  },

  async present(connection, path, values, { signal } = {}) {
    const client = await openClient(connection, { signal });
    try {
      const { table, column, type } = await columnOf(client, connection, path, signal);
      const fits = type === undefined ? undefined : CASTABLE[type];
      const asked = fits === undefined ? values : values.filter(fits);
      const compared =
        fits === undefined
          ? `${column}::pg_catalog.text = any ($1::pg_catalog.text[])`
          : `${column} = any ($1::pg_catalog.text[]::pg_catalog.${type}[])`;
      const sql = `select distinct ${column}::pg_catalog.text as v from ${table} where ${compared}`;
      return new Set((await client.query<{ v: string }>(sql, [asked])).map(({ v }) => v));
    } catch (error) {
      throw translateError(error, connection);
    } finally {
      await client.close();
    }
  },
};

async function columnOf(client: Client, connection: Connection, path: readonly string[], signal: AbortSignal | undefined): Promise<Column> {
  const [column = "", table = "", schema] = path.toReversed();
  const schemas = schema === undefined ? await ordinaryPath(connection, { signal }) : [schema];
  const [found] = await client.query<{ table: string; column: string; type: string }>(COLUMN, [table, column, schemas]);
  if (found === undefined || path.length > 3)
    throw new LifeboatError("TABLE_UNKNOWN", `there is no column ${path.join(".")} in ${connection.label}`);
  return { table: found.table, column: quoteName(found.column), type: Object.hasOwn(CASTABLE, found.type) ? found.type : undefined };
}
