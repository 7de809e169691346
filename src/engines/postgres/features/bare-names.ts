// Routines that a load calls and whose text names objects without a schema: pg_restore finds no such name, because it empties the search
// path. Lifeboat loads what failed for it once more with the database's own path; nothing else does.
import type { Client } from "../connect/client.ts";
import { readableName } from "../connect/quote.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";

/** The first OID that initdb does not give. */
const FIRST_OWN_OID = 16_384;

/** Those with a path of their own, or a body that the server has read (SQL-standard), find their names. */
const CALLED = `
with own as materialized (
  select p.oid, p.proname, p.prosrc from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
  where p.oid >= ${FIRST_OWN_OID} and l.lanname not in ('c', 'internal')
    and not exists (select from pg_catalog.unnest(p.proconfig) setting where setting like 'search_path=%')
    and coalesce(pg_catalog.to_jsonb(p)->>'prosqlbody', '') = ''
    and not exists (select from pg_catalog.pg_depend m where m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and m.objid = p.oid and m.deptype = 'e')
), called(oid) as (
  select d.refobjid from pg_catalog.pg_depend d
  left join pg_catalog.pg_attrdef f on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and f.oid = d.objid
  left join pg_catalog.pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum
  left join pg_catalog.pg_class c on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = d.objid and c.relkind in ('i', 'I')
  where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    and (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass or a.attgenerated <> '' or c.oid is not null)
)
select distinct own.oid::pg_catalog.regprocedure::pg_catalog.text as name, own.prosrc as body from own join called on called.oid = own.oid order by 1`;

const FOUND = `
select n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname = any ($1) and ${USER_SCHEMA}
union
select n.nspname::pg_catalog.text, p.proname::pg_catalog.text from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.proname = any ($2) and ${USER_SCHEMA}
  and not exists (select from pg_catalog.pg_proc s where s.proname = p.proname and s.pronamespace = 'pg_catalog'::pg_catalog.regnamespace)
order by 1, 2`;

const NAME = `("(?:[^"]|"")+"|[\\p{L}_][\\p{L}\\p{N}_$]*)`;
const RELATION = new RegExp(`(?<![\\p{L}\\p{N}_$])(?:from|join|update|into|only|table)\\s+${NAME}(?!\\s*[.(])`, "giu");
const CALL = new RegExp(`(?<![\\p{L}\\p{N}_$."])${NAME}\\s*\\(`, "giu");
const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/** One warning a routine, with the statement to run on the source. Only texts are looked at: what a routine composes is not seen. */
export async function routinesWithBareNames(client: Client): Promise<string[]> {
  const routines = (await client.query<{ name: string; body: string }>(CALLED)).map(({ name, body }) => {
    const text = body.replaceAll(COMMENT, " ");
    return { name, relations: namesIn(text, RELATION), calls: namesIn(text, CALL) };
  });
  if (routines.length === 0) return [];
  const all = (of: "relations" | "calls") => [...new Set(routines.flatMap((one) => one[of]))];
  const found = await client.query<{ schema: string; name: string }>(FOUND, [all("relations"), all("calls")]);
  return routines.flatMap(({ name, relations, calls }) => {
    const bare = found.filter((one) => relations.includes(one.name) || calls.includes(one.name));
    if (bare.length === 0) return [];
    const named = [...new Set(bare.map((one) => readableName(one.name)))].join(", ");
    const path = [...new Set(bare.map((one) => readableName(one.schema)))].concat("pg_temp").join(", ");
    return [
      `the function ${name} names ${named} without a schema and is called by a constraint, column or index: pg_restore cannot find it; run on the source: ALTER FUNCTION ${name} SET search_path = ${path}`,
    ];
  });
}

const namesIn = (text: string, pattern: RegExp): string[] => [
  ...new Set(
    Array.from(text.matchAll(pattern), ([, name = ""]) =>
      name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase(),
    ),
  ),
];
