// The definitions of a database as a map from an object's identity to its facts, small enough to be stored with every backup.
import { createHash } from "node:crypto";
import { normaliseExpression } from "./schema/normalise.ts";
import { OBJECT_QUERIES, OPTIONAL_QUERIES } from "./schema/objects.sql.ts";
import { DESCRIPTION_QUERIES, OWNERSHIP_QUERIES } from "./schema/ownership.sql.ts";
import { RELATION_QUERIES } from "./schema/relations.sql.ts";
import type { Asker } from "./snapshot.ts";

/** Longer facts are kept as a digest. */
const LONGEST_TEXT = 80;
const DIGEST_HEX_DIGITS = 32;

/**
 * Everything a dump carries, by identity: `column public.users.email` → `text not null`. `chosen`: OIDs of the relations
 * of a narrower scope, whose own definitions are then all that counts; null for everything.
 */
export async function schemaMap(asker: Asker, chosen: readonly number[] | null): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  const collect = async (sql: string, values?: unknown[]): Promise<void> => {
    for (const { key, fact, code } of await asker.ask(sql, values)) {
      // An object that vanished after the snapshot no longer has a name.
      if (typeof key === "string")
        entries.push([key, shorten([fact, code && normaliseExpression(String(code))].filter(Boolean).join(" "))]);
    }
  };
  for (const sql of [...RELATION_QUERIES, ...DESCRIPTION_QUERIES]) await collect(sql, [chosen]);
  if (chosen === null) {
    for (const sql of [...OBJECT_QUERIES, ...OWNERSHIP_QUERIES]) await collect(sql);
    for (const { needs, sql } of OPTIONAL_QUERIES) if ((await asker.ask(needs))[0]?.ok === true) await collect(sql);
  }
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

const shorten = (fact: string): string =>
  fact.length <= LONGEST_TEXT ? fact : `sha256:${createHash("sha256").update(fact).digest("hex").slice(0, DIGEST_HEX_DIGITS)}`;
