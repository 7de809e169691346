// What a source's role may do, against what its duties ask for: each missing right with the statement that gives it.
import type { Duty, Rights } from "../../../ports/rights.ts";
import type { Client } from "../connect/client.ts";
import { quoteText, readableName } from "../connect/quote.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";

type Missing = Rights["missing"][number];

/** Tables and sequences that a backup reads: members of extensions are not dumped, temporary ones belong to their sessions. */
const READ = `pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't' and ${USER_SCHEMA} and not exists (
    select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')`;

const NAMED = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)";

const QUERY = `
select current_user::pg_catalog.text as role, r.rolsuper as superuser, r.rolreplication as replicates, r.rolcreatedb as creates,
  (select pg_catalog.json_agg(pg_catalog.quote_ident(n.nspname)) from (select distinct n.nspname from ${READ}
    and not (pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT'))) n) as schemas,
  (select pg_catalog.json_agg(${NAMED}) from ${READ}
    and not (pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT'))) as unreadable,
  (select pg_catalog.json_agg(${NAMED}) from ${READ} and c.relkind = 'r' and pg_catalog.row_security_active(c.oid)) as hidden,
  (select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata m
    where not r.rolsuper and not pg_catalog.pg_has_role(m.lomowner, 'USAGE') and not exists (
      select from pg_catalog.aclexplode(m.lomacl) a
      where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'USAGE'))))::int as objects
from pg_catalog.pg_roles r where r.rolname = current_user`;

interface Row extends Record<string, unknown> {
  readonly role: string;
  readonly superuser: boolean;
  readonly replicates: boolean;
  readonly creates: boolean;
  readonly schemas: readonly string[] | null;
  readonly unreadable: readonly string[] | null;
  readonly hidden: readonly string[] | null;
  readonly objects: number;
}

/** By the catalogs alone: whether the access rules (pg_hba.conf) let a replication connection in, only such a connection tells. */
export async function rightsOf(client: Client, duties: readonly Duty[]): Promise<Rights> {
  const [row] = (await client.query<Row>(QUERY)) as [Row];
  const major = Math.floor(client.serverVersionNumber / 10_000);
  const missing: Missing[] = [];
  if (duties.includes("backup")) missing.push(...readingRights(row, major));
  if (duties.includes("archive") && !row.superuser && !row.replicates) {
    missing.push({ what: "it may not copy the cluster or receive its WAL", grant: `ALTER ROLE ${readableName(row.role)} REPLICATION;` });
  }
  const excess = row.superuser ? [`${row.role} is a superuser, and nothing that is configured requires one`] : [];
  return { role: row.role, missing, excess, ...(row.superuser || row.creates ? {} : { without: withoutDatabases(row.role) }) };
}

/** No duty asks for it: who only backs up does well without. */
const withoutDatabases = (role: string): Missing => ({
  what: `${role} may not create databases: on this server a restore takes a role that may, or the address of an empty database`,
  grant: `ALTER ROLE ${readableName(role)} CREATEDB;`,
});

function readingRights({ role, schemas, unreadable, hidden, objects }: Row, major: number): Missing[] {
  const name = readableName(role);
  const missing: Missing[] = [];
  if (unreadable !== null) {
    const perSchema = (schemas ?? []).map(
      (schema) =>
        `GRANT USAGE ON SCHEMA ${schema} TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${name}; ` +
        `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${name};`,
    );
    const grant = major >= 14 ? `GRANT pg_read_all_data TO ${name};` : perSchema.join(" ");
    missing.push({ what: `it may not read ${some(unreadable)}`, grant });
  }
  if (hidden !== null)
    missing.push({ what: `row-level security hides rows of ${some(hidden)} from it`, grant: `ALTER ROLE ${name} BYPASSRLS;` });
  if (objects > 0) {
    const grants = `pg_catalog.format('GRANT SELECT ON LARGE OBJECT %s TO %I', oid, ${quoteText(role).trim()})`;
    missing.push({
      what: `it may not read ${objects} of the large objects`,
      grant: `SELECT ${grants} FROM pg_catalog.pg_largeobject_metadata \\gexec`,
    });
  }
  return missing;
}

const NAMES_SHOWN = 5;

function some(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
