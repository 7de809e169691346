// What a backup of chosen tables would hold, by the same rules as the dump.
import type { Chosen, Gap } from "../../../ports/chosen.ts";
import { type Client, ordinaryPath } from "../connect/client.ts";
import { type Needs, neededTables, needsOf, withoutRows } from "../dump/needs.ts";
import { chooseRelations, isTable, listTables, type SourceTable } from "../dump/tables.ts";
import { hasBareName } from "../fingerprint/scope.ts";
import { sessionOf } from "../fingerprint/session.ts";

interface ChosenRelations {
  readonly chosen: readonly SourceTable[];
  /** Tables and sequences of others that a dump locks or reads as well. */
  readonly needed: readonly SourceTable[];
  readonly needs: Needs;
}

/** TABLE_UNKNOWN as a backup of them. */
export async function chosenRelations(client: Client, patterns: readonly string[]): Promise<ChosenRelations> {
  const session = sessionOf(client);
  const all = await listTables(session, hasBareName(patterns) ? await ordinaryPath(client.connection) : []);
  const chosen = chooseRelations(all, patterns, client.connection.label);
  const needs = await needsOf(
    session,
    chosen.map(({ oid }) => oid),
  );
  return { chosen, needed: neededTables(all, needs), needs };
}

export async function chosenOf(client: Client, patterns: readonly string[]): Promise<Chosen> {
  const { chosen, needs } = await chosenRelations(client, patterns);
  const owned = new Set(needs.relations.filter((one) => one.owned).map(({ oid }) => oid));
  const others = [...chosen, ...needs.relations].filter((one) => !isTable(one) && !owned.has(one.oid));
  const kinds = Map.groupBy([...others.map(({ kind }) => ({ kind: WORDS[kind] ?? kind })), ...needs.along], ({ kind }) => kind);
  return {
    names: chosen.filter(isTable).map(({ name }) => name),
    along: [...kinds].map(([kind, objects]) => ({ kind, number: objects.length })),
    gaps: gapsOf(needs),
  };
}

const WORDS: Readonly<Record<string, string>> = { v: "view", m: "materialized view", f: "foreign table", S: "sequence" };

/** What chosen tables refer to and a backup of them does not hold. */
export function gapsOf(needs: Needs): Gap[] {
  const empty = withoutRows(needs).filter(({ kind }) => kind === "r" || kind === "p");
  return [
    ...empty.map(({ name }) => ({ kind: "rows", object: name, reason: NO_ROWS, choose: name, mayFail: false })),
    ...needs.keys.map(({ name, refers }) => ({
      ...{ kind: "foreign keys", object: `${name} (to ${refers})`, reason: NO_KEYS, choose: refers, mayFail: false },
    })),
    ...needs.mentions.map(({ name, by, atLoad }) => ({
      ...{ kind: "mentioned relations", object: `${name} (in ${by})`, reason: atLoad ? REFUSED : MISSED, choose: name, mayFail: atLoad },
    })),
    ...needs.heirs.map(({ name, parent }) => ({
      ...{ kind: "children", object: `${name} (of ${parent})`, reason: HEIR, choose: name, mayFail: false },
    })),
    ...needs.numbers.map((column) => ({ kind: "large objects", object: column, reason: NUMBER, mayFail: false })),
    ...needs.names.map(({ column, type }) => ({ kind: "names in rows", object: `${column} (${type})`, reason: NAMES, mayFail: true })),
  ];
}

const NO_ROWS = "the chosen tables need its definition, which comes without its rows";
const NO_KEYS = "the table that it refers to was not chosen: a restore leaves the key out where that table is missing";
const MISSED = "a function of the chosen tables mentions it, and it was not chosen";
const REFUSED = "a check, index or generated column calls a function that mentions it, and it was not chosen: a restore may refuse rows";
const HEIR = "it inherits from a chosen table and was not chosen: a query of that table gives its rows too";
const NUMBER = "it may hold numbers of large objects, which only a full or data backup has";
const NAMES = "its values name objects: a restore refuses rows that name what is not in the backup";
