// Roles that an archive names: owners, and those in privileges, policies and user mappings. A dump never brings roles along.
import type { TocEntry } from "../archive/contents.ts";

const IDENTIFIER = `"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*`;
const LIST = `(?:${IDENTIFIER})(?:, (?:${IDENTIFIER}))*`;

const USER_MAPPING = new RegExp(`^CREATE USER MAPPING FOR (${LIST})(?= SERVER)`, "g");

/** Where a definition of each kind names roles. A list stands after these words. */
const PLACES: Readonly<Record<string, RegExp>> = {
  ACL: new RegExp(
    `\\b(?:TO|FROM|FOR ROLE|AUTHORIZATION|GRANTED BY) (${LIST})(?= WITH GRANT OPTION|;|\\n| GRANTED| IN SCHEMA| GRANT| REVOKE)`,
    "g",
  ),
  "DEFAULT ACL": new RegExp(`\\b(?:TO|FROM|FOR ROLE) (${LIST})(?= WITH GRANT OPTION|;|\\n| IN SCHEMA| GRANT| REVOKE)`, "g"),
  POLICY: new RegExp(`^CREATE POLICY .*? TO (${LIST})(?= USING| WITH CHECK|;)`, "gs"),
  "USER MAPPING": USER_MAPPING,
};

/** Of these, the roles in whose name something is done. */
const ACTING: Readonly<Record<string, RegExp>> = {
  ACL: new RegExp(`\\b(?:FOR ROLE|AUTHORIZATION|GRANTED BY) (${LIST})(?=;|\\n| IN SCHEMA| GRANT| REVOKE)`, "g"),
  "DEFAULT ACL": new RegExp(`\\bFOR ROLE (${LIST})(?=\\n| IN SCHEMA| GRANT| REVOKE)`, "g"),
  "USER MAPPING": USER_MAPPING,
};

const NO_ROLES = new Set(["PUBLIC", "public", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"]);

/** Roles that this entry's definition names, beside its owner. */
export function rolesInDefinition(entry: TocEntry, places: Readonly<Record<string, RegExp>> = PLACES): string[] {
  const place = places[entry.kind];
  if (place === undefined) return [];
  const roles = new Set<string>();
  for (const match of entry.definition.matchAll(place)) {
    for (const name of (match[1] ?? "").match(new RegExp(IDENTIFIER, "g")) ?? []) {
      if (!NO_ROLES.has(name)) roles.add(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);
    }
  }
  return [...roles];
}

/** Every role that the entries need, sorted. Roles of the server's own (`pg_…`) exist everywhere. */
export const rolesOf = (entries: readonly TocEntry[]): string[] => rolesIn(entries, PLACES);

/** Those that the loading user must be able to act for: owners, grantors, and whose default privileges or user mappings there are. */
export const actingRolesOf = (entries: readonly TocEntry[]): string[] => rolesIn(entries, ACTING);

function rolesIn(entries: readonly TocEntry[], places: Readonly<Record<string, RegExp>>): string[] {
  const roles = new Set<string>();
  for (const entry of entries) {
    if (isOfTheDatabase(entry)) continue;
    if (entry.owner !== "") roles.add(entry.owner);
    for (const role of rolesInDefinition(entry, places)) roles.add(role);
  }
  return [...roles].filter((role) => !role.startsWith("pg_")).sort();
}

/** Owner and privileges of the database itself stay those of the one that is restored into. */
const isOfTheDatabase = ({ kind, name }: TocEntry): boolean =>
  kind === "DATABASE" || kind === "DATABASE PROPERTIES" || (kind === "ACL" && name.startsWith("DATABASE "));
