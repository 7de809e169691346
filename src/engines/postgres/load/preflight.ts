// What an archive needs of the place it is loaded into: asked before anything is written there.
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { actingRolesOf, rolesInDefinition, rolesOf } from "./roles.ts";

/** Debian's packages for extensions whose package is not named after them; `%` is the server's major version. */
const PACKAGES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["postgis", "postgis_topology", "postgis_raster", "postgis_tiger_geocoder", "postgis_sfcgal"].map((name) => [
      name,
      "postgresql-%-postgis-3",
    ]),
  ),
  vector: "postgresql-%-pgvector",
  pg_cron: "postgresql-%-cron",
  pg_partman: "postgresql-%-partman",
  pgaudit: "postgresql-%-pgaudit",
  hll: "postgresql-%-hll",
  plpython3u: "postgresql-plpython3-%",
  plperl: "postgresql-plperl-%",
  pltcl: "postgresql-pltcl-%",
  ...Object.fromEntries(
    [
      "citext",
      "hstore",
      "pg_trgm",
      "pgcrypto",
      "uuid-ossp",
      "ltree",
      "intarray",
      "unaccent",
      "btree_gist",
      "btree_gin",
      "cube",
      "earthdistance",
    ]
      .concat(["fuzzystrmatch", "tablefunc", "postgres_fdw", "dblink", "file_fdw", "pg_stat_statements", "lo", "isn", "xml2", "bloom"])
      .map((name) => [name, "postgresql-%"]),
  ),
};

/** LOAD_FAILED, naming extensions that the server cannot offer and the packages that bring them. */
export async function refuseMissingExtensions(client: Client, entries: readonly TocEntry[]): Promise<void> {
  const wanted = entries.filter((entry) => entry.kind === "EXTENSION").map((entry) => entry.name);
  if (wanted.length === 0) return;
  const rows = await client.query<{ name: string }>("select name::pg_catalog.text as name from pg_catalog.pg_available_extensions");
  const available = new Set(rows.map((row) => row.name));
  const missing = wanted.filter((name) => !available.has(name));
  if (missing.length === 0) return;
  const major = String(Math.floor(client.serverVersionNumber / 10_000));
  const packages = new Set(missing.map((name) => (PACKAGES[name] ?? `postgresql-%-${name.replaceAll("_", "-")}`).replace("%", major)));
  throw new LifeboatError(
    "LOAD_FAILED",
    `the server of ${client.connection.label} lacks the extension ${missing.join(", ")}, which the backup needs`,
    {
      hint: `install it on the server (Debian: apt-get install ${[...packages].join(" ")}), then restore again`,
      details: { extensions: missing },
    },
  );
}

export interface Ownership {
  /** Whether owners and privileges are restored. */
  readonly owners: boolean;
  /** Entries that cannot be without a role that is not there. */
  readonly without: ReadonlySet<number>;
  readonly notRestored: readonly Omission[];
}

/**
 * Decides about owners and privileges. Asked for explicitly, a missing role is LOAD_FAILED; by default they are restored
 * when every role exists and the user may act for it, and otherwise left out and named.
 */
export async function decideOwnership(client: Client, entries: readonly TocEntry[], owners: boolean | undefined): Promise<Ownership> {
  const roles = rolesOf(entries);
  const rows = await client.query<{ name: string; mine: boolean }>(
    `select rolname::pg_catalog.text as name, pg_catalog.pg_has_role(rolname, $2) as mine from pg_catalog.pg_roles where rolname = any ($1)`,
    [roles, client.serverVersionNumber >= 160_000 ? "set" : "member"],
  );
  const known = new Set(rows.map((row) => row.name));
  const missing = roles.filter((role) => !known.has(role));
  if (owners === true && missing.length > 0) {
    throw new LifeboatError(
      "LOAD_FAILED",
      `the server of ${client.connection.label} lacks the role ${missing.join(", ")}, which owns or uses what the backup holds`,
      {
        hint: "create the roles named, or restore without owners",
        details: { roles: missing },
      },
    );
  }
  // Who is only granted something has to exist; what is owned, or granted by another, takes the right to act for that role.
  const acting = new Set(actingRolesOf(entries));
  const foreign = rows.filter((row) => !row.mine && acting.has(row.name)).map((row) => row.name);
  if (owners ?? (missing.length === 0 && foreign.length === 0)) return { owners: true, without: new Set(), notRestored: [] };
  const lost = new Set(missing);
  const withoutRole = entries.filter(
    (entry) => (entry.kind === "POLICY" || entry.kind === "USER MAPPING") && rolesInDefinition(entry).some((role) => lost.has(role)),
  );
  const reason =
    owners === false
      ? "left out on request"
      : missing.length > 0
        ? `these roles do not exist here: ${missing.join(", ")}`
        : `this user may not act for: ${foreign.join(", ")}`;
  return {
    owners: false,
    without: new Set(withoutRole.map((entry) => entry.dumpId)),
    notRestored: [
      { kind: "owner", object: "all objects", reason },
      { kind: "privileges", object: "all objects", reason },
      ...withoutRole.map(({ kind, schema, name }) => ({
        kind: kind.toLowerCase(),
        object: schema === "" ? name : `${schema}.${name}`,
        reason: "its role does not exist here",
      })),
    ],
  };
}
