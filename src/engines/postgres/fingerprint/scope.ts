// Which relations a scope means: everything, or the chosen ones with what belongs to them.
import { LifeboatError } from "../../../core/errors.ts";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import type { Relation } from "./relations.ts";
import type { Asker } from "./snapshot.ts";

const UNQUOTED: Readonly<Record<string, string>> = { "*": ".*", "?": "." };

export interface Pattern {
  /** Regular expressions; a schema of null is whichever an ordinary session sees. */
  readonly schema: string | null;
  readonly name: string;
}

/**
 * A table pattern of the client programs as `{schema?, name}` regular expressions: `shop.*`, `"Odd Schema"."T"`, `user?`.
 * Letters outside of quotes fold to lower case, `*` and `?` stand for any letters and one letter.
 */
export function parsePattern(pattern: string): Pattern {
  const parts: string[] = [""];
  let quoted = false;
  for (let i = 0; i < pattern.length; i += 1) {
    const char = pattern[i] ?? "";
    if (char === '"' && quoted && pattern[i + 1] === '"') {
      parts[parts.length - 1] += '"';
      i += 1;
    } else if (char === '"') quoted = !quoted;
    else if (char === "." && !quoted) parts.push("");
    else if (quoted) parts[parts.length - 1] += literally(char);
    else parts[parts.length - 1] += UNQUOTED[char] ?? literally(char.toLowerCase());
  }
  const [first = "", ...rest] = parts;
  if (quoted || rest.length > 1 || parts.includes("")) {
    throw new LifeboatError("USAGE", `"${pattern}" is not a table name: write table, schema.table, or "Quoted Schema"."Quoted Table"`);
  }
  return rest[0] === undefined ? { schema: null, name: first } : { schema: first, name: rest[0] };
}

/** Whether any pattern names no schema, so that it takes a search path to know what it means. */
export function hasBareName(patterns: readonly string[] = []): boolean {
  return patterns.some((pattern) => parsePattern(pattern).schema === null);
}

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

const RELATED = `
with recursive chosen(oid) as (
  select pg_catalog.unnest($1::bigint[]::pg_catalog.oid[])
  union
  select i.inhrelid from pg_catalog.pg_inherits i join chosen on chosen.oid = i.inhparent
  join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
), owned as (
  select d.objid from pg_catalog.pg_depend d join chosen on chosen.oid = d.refobjid
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.deptype in ('a', 'i') and d.refobjsubid > 0
)
select oid::bigint::pg_catalog.text as oid from chosen union select objid::bigint::pg_catalog.text from owned`;

/**
 * The relations of a scope. Chosen tables come with all their partitions and the sequences they own. A pattern without
 * a schema means what an ordinary session would see (`visible`: OIDs). A pattern that matches nothing is in `unmatched`.
 */
export async function relationsOfScope(
  asker: Asker,
  scope: Fingerprint["scope"],
  all: readonly Relation[],
  visible: ReadonlySet<number>,
): Promise<{ readonly relations: Relation[]; readonly unmatched: string[] }> {
  if (scope.kind !== "tables") return { relations: [...all], unmatched: [] };
  const unmatched: string[] = [];
  const chosen = new Set<number>();
  for (const pattern of scope.tables ?? []) {
    const parsed = parsePattern(pattern);
    const found = all.filter(({ name, oid }) => matchesPattern(parsed, name) && (parsed.schema !== null || visible.has(oid)));
    if (found.length === 0) unmatched.push(pattern);
    for (const relation of found) chosen.add(relation.oid);
  }
  const related = new Set((await asker.ask(RELATED, [[...chosen]])).map((row) => Number(row.oid)));
  return { relations: all.filter((relation) => related.has(relation.oid)), unmatched };
}

/** Whether a relation's name, with its schema and quoted where it must be, is meant by the pattern. */
export function matchesPattern({ schema, name }: Pattern, quotedName: string): boolean {
  return new RegExp(`^(?:${schema ?? ".*"})\u0000(?:${name})$`, "s").test(plainName(quotedName));
}

/** `"Odd Schema".t` → `Odd Schema\0t`. */
function plainName(quotedName: string): string {
  const parts = quotedName.match(/"(?:[^"]|"")*"|[^."]+/g) ?? [];
  return parts.map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part)).join("\u0000");
}

/** What a name without a schema means: the relation in the first of these schemas that has one of the name. */
export async function visibleRelations(asker: Asker, path: readonly string[]): Promise<Set<number>> {
  const rows = await asker.ask(
    `
    select distinct on (c.relname) c.oid::bigint::pg_catalog.text as oid
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as path(name, place) on path.name = n.nspname
    order by c.relname, place`,
    [path],
  );
  return new Set(rows.map((row) => Number(row.oid)));
}
