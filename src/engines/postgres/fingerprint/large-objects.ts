// Large objects: how many, and an order-free digest of their ids and bytes.
import type { Omission } from "../../../core/fingerprint.ts";
import { type RowAlgorithm, rowsExpression } from "./expression.ts";
import { isAboutOneObject, reasonOf } from "./failure.ts";
import type { Asker } from "./snapshot.ts";

/** The server keeps large objects in pages of this size (a quarter of its block size as Debian, Neon and all we know build it). */
const PAGE_BYTES = 2048;

/**
 * A missing page reads as zeros and a dump writes the zeros out: pages count without the zeros at their end, and only where something is left.
 * PostgreSQL 13 has no `rtrim` for bytes: behind a byte that is not zero, `btrim` finds only those at the end.
 */
const trimmed = (data: string) =>
  `pg_catalog.substr(pg_catalog.btrim(pg_catalog.byteacat('\\x01'::pg_catalog.bytea, ${data}), '\\x00'::pg_catalog.bytea), 2)`;

/** Rows `loid, pageno, data` of every object, straight from the catalog; needs a superuser. */
const FROM_CATALOG = {
  pages: `select loid, pageno, ${trimmed("data")} as data from pg_catalog.pg_largeobject`,
  sizes: `select m.oid as loid, coalesce(pg_catalog.max(l.pageno::bigint * ${PAGE_BYTES} + pg_catalog.octet_length(l.data)), 0) as size
    from pg_catalog.pg_largeobject_metadata m left join pg_catalog.pg_largeobject l on l.loid = m.oid group by m.oid`,
};

/** The same rows through the functions that obey each object's privileges; objects above 1 GB are refused by the server. */
const THROUGH_FUNCTIONS = {
  pages: `select o.loid, p.pageno, ${trimmed(`pg_catalog.lo_get(o.loid, p.pageno::bigint * ${PAGE_BYTES}, ${PAGE_BYTES})`)} as data
    from (select oid as loid, pg_catalog.octet_length(pg_catalog.lo_get(oid))::bigint as size from pg_catalog.pg_largeobject_metadata offset 0) o,
    lateral pg_catalog.generate_series(0, ((o.size - 1) / ${PAGE_BYTES})::int) as p(pageno)
    where o.size > 0`,
  sizes: "select oid as loid, pg_catalog.octet_length(pg_catalog.lo_get(oid))::bigint as size from pg_catalog.pg_largeobject_metadata",
};

/** `{count, digest}`; a null digest comes with an entry in `unhashed` that says why. */
export async function hashLargeObjects(
  asker: Asker,
  algorithm: RowAlgorithm,
): Promise<{ readonly largeObjects: { count: number; digest: string | null }; readonly unhashed: Omission[] }> {
  const [facts] =
    await asker.ask(`select pg_catalog.count(*)::pg_catalog.text as n, has_table_privilege('pg_catalog.pg_largeobject', 'select') as readable
    from pg_catalog.pg_largeobject_metadata`);
  const count = Number(facts?.n);
  if (count === 0) return { largeObjects: { count, digest: "0" }, unhashed: [] };
  const source = facts?.readable === true ? FROM_CATALOG : THROUGH_FUNCTIONS;
  try {
    const [row] = await asker.ask(`select pg_catalog.sum(s::numeric)::pg_catalog.text as s from (
      select ${rowsExpression(["loid", "pageno", "data"], algorithm)} from (${source.pages}) pages where data <> ''
      union all select ${rowsExpression(["loid", "pg_catalog.int8send(size)"], algorithm)} from (${source.sizes}) sizes) parts`);
    return { largeObjects: { count, digest: String(row?.s) }, unhashed: [] };
  } catch (error) {
    if (!isAboutOneObject(error)) throw error;
    return {
      largeObjects: { count, digest: null },
      unhashed: [{ kind: "large objects", object: `${count} large objects`, reason: reasonOf(error) }],
    };
  }
}
