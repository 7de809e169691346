// What a source's role may do, against what its duties ask for: each missing right with the statement that gives it.
import type { Duty, Rights } from "../../../ports/rights.ts";
import type { Client } from "../connect/client.ts";
import { quoteText, readableName } from "../connect/quote.ts";
import { listTables, namesOf, type SourceTable } from "../dump/tables.ts";
import { sessionOf } from "../fingerprint/session.ts";
import { chosenRelations } from "./chosen.ts";

type Missing = Rights["missing"][number];

const QUERY = `
select current_user::pg_catalog.text as role, r.rolsuper as superuser, r.rolreplication as replicates, r.rolcreatedb as creates,
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
  readonly objects: number;
}

/**
 * By the catalogs alone: whether the access rules (pg_hba.conf) let a replication connection in, only such a connection tells. `chosen`: the
 * patterns of the tables that a backup reads. Default: all. TABLE_UNKNOWN as a backup of them.
 */
export async function rightsOf(client: Client, duties: readonly Duty[], chosen?: readonly string[]): Promise<Rights> {
  const [row] = (await client.query<Row>(QUERY)) as [Row];
  const major = Math.floor(client.serverVersionNumber / 10_000);
  const missing: Missing[] = [];
  if (duties.includes("backup")) {
    const { chosen: read, needed } =
      chosen === undefined ? { chosen: await listTables(sessionOf(client), []), needed: [] } : await chosenRelations(client, chosen);
    // Rows of tables that are only needed are not read.
    const tables = [...read, ...needed.map((table) => ({ ...table, hidden: false }))];
    missing.push(
      ...readingRights(row.role, tables, chosen === undefined ? major : undefined),
      ...(chosen === undefined ? objectRights(row) : []),
    );
  }
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

/** `major`: of the server, for the privilege to read all tables. Absent: to read these alone. */
function readingRights(role: string, tables: readonly SourceTable[], major: number | undefined): Missing[] {
  const name = readableName(role);
  const missing: Missing[] = [];
  const unreadable = tables.filter(({ readable }) => readable === false);
  if (unreadable.length > 0) {
    const perSchema = [...new Set(unreadable.map(({ schema }) => readableName(schema)))].map(
      (schema) =>
        `GRANT USAGE ON SCHEMA ${schema} TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${name}; ` +
        `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${name};`,
    );
    const grantAll = major !== undefined && major >= 14 ? `GRANT pg_read_all_data TO ${name};` : perSchema.join(" ");
    const grant = major === undefined ? grantOf(unreadable, name) : grantAll;
    missing.push({ what: `it may not read ${namesOf(unreadable)}`, grant });
  }
  const hidden = tables.filter((table) => table.hidden);
  if (hidden.length > 0)
    missing.push({ what: `row-level security hides rows of ${namesOf(hidden)} from it`, grant: `ALTER ROLE ${name} BYPASSRLS;` });
  return missing;
}

/** SELECT on a sequence is granted as on a table. */
function grantOf(tables: readonly SourceTable[], role: string): string {
  const schemas = [...new Set(tables.map(({ schema }) => readableName(schema)))];
  return `GRANT USAGE ON SCHEMA ${schemas.join(", ")} TO ${role}; GRANT SELECT ON ${tables.map(({ name }) => name).join(", ")} TO ${role};`;
}

function objectRights({ role, objects }: Row): Missing[] {
  if (objects === 0) return [];
  const grants = `pg_catalog.format('GRANT SELECT ON LARGE OBJECT %s TO %I', oid, ${quoteText(role).trim()})`;
  return [
    {
      what: `it may not read ${objects} of the large objects`,
      grant: `SELECT ${grants} FROM pg_catalog.pg_largeobject_metadata \\gexec`,
    },
  ];
}
