// Gives loaded objects to their owners. Changing an owner runs no code of the object's.
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { isSingle } from "./statement.ts";

const NAMED_PLAINLY = new Set([
  ...[
    "SCHEMA",
    "TABLE",
    "FOREIGN TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "TYPE",
    "DOMAIN",
    "COLLATION",
    "CONVERSION",
    "STATISTICS",
  ],
  ...["TEXT SEARCH DICTIONARY", "TEXT SEARCH CONFIGURATION", "FOREIGN DATA WRAPPER", "SERVER", "PROCEDURAL LANGUAGE"],
  ...["PUBLICATION", "SUBSCRIPTION", "EVENT TRIGGER"],
]);
/** Known by their arguments too, which the statement that drops them spells out. */
const NAMED_BY_DROP = new Set(["FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY"]);

/** The object as ALTER names it; undefined for what has no owner of its own. */
function objectOf({ kind, schema, name, dropStatement }: TocEntry): string | undefined {
  if (NAMED_PLAINLY.has(kind)) return `${kind} ${schema === "" ? "" : `${quote(schema)}.`}${quote(name)}`;
  if (!NAMED_BY_DROP.has(kind) || !dropStatement.startsWith(`DROP ${kind} `) || !isSingle(dropStatement)) return undefined;
  return dropStatement.slice("DROP ".length).replace(/;\s*$/, "");
}

/** A table's owner becomes that of its sequences and indexes, so tables come first. */
const rank = (entry: TocEntry): number => (entry.kind === "TABLE" ? 0 : entry.kind === "SEQUENCE" ? 2 : 1);

/** Of entries for which `ownerOf` gives none, nothing is said. */
export function ownerStatements(entries: readonly TocEntry[], ownerOf: (entry: TocEntry) => string | undefined): string[] {
  return entries
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap((entry) => {
      const [object, owner] = [objectOf(entry), ownerOf(entry)];
      return object === undefined || owner === undefined || owner === "" ? [] : [`alter ${object} owner to ${quote(owner)}`];
    });
}

/** Each statement's locks last as long as its transaction: many tables need not fit the server's table of locks at once. */
const TOGETHER = 50;

/** Runs the statements; gives what failed, in words. */
export async function runAll(client: Client, statements: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (let from = 0; from < statements.length; from += TOGETHER) {
    const some = statements.slice(from, from + TOGETHER);
    try {
      await client.query(some.join(";\n"));
    } catch {
      // All of them were rolled back together: one by one, the others are done and the culprit is named.
      for (const statement of some) {
        await client.query(statement).catch((error: Error) => {
          if (sqlStateOf(error) === undefined) throw error;
          problems.push(`${statement}: ${error.message}`);
        });
      }
    }
  }
  return problems;
}
