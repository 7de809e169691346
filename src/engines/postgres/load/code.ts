// Which code of a backup a load of it runs: what a plan tells before anything is loaded.
import type { TocEntry } from "../archive/contents.ts";
import { bare } from "./statement.ts";

/** Kinds of code, in words; none for most entries. */
export function codeIn(entry: TocEntry): string[] {
  const { kind } = entry;
  const look = LOOK[kind];
  return look === undefined ? [] : look(bare(entry.definition));
}

const when = (found: boolean, what: string): string[] => (found ? [what] : []);

const LOOK: Readonly<Record<string, (definition: string) => string[]>> = {
  TABLE: (sql) => [
    ...when(/\bCHECK \(/.test(sql), "check constraint"),
    ...when(/\bGENERATED ALWAYS AS \(/.test(sql), "generated column"),
    ...when(/\nPARTITION BY \w+ \(.*\(/.test(sql), "partition key expression"),
  ],
  "CHECK CONSTRAINT": () => ["check constraint"],
  DOMAIN: (sql) => when(/\bCHECK \(/.test(sql), "domain constraint"),
  // Columns stand alone in the list; what has brackets or a condition is computed.
  INDEX: (sql) => when(/\bUSING \w+ \(.*\(/.test(sql) || /\bWHERE \(/.test(sql), "index expression"),
  CONSTRAINT: (sql) => when(/\bEXCLUDE USING \w+ \(.*\(/.test(sql), "index expression"),
  STATISTICS: (sql) => when(/ ON .*\(.* FROM /.test(sql), "statistics expression"),
  "MATERIALIZED VIEW DATA": () => ["materialized view"],
  "EVENT TRIGGER": () => ["event trigger"],
};
