// What the last look at each source found, for readers that accept an answer of some age. A row is of one configuration: another one may
// judge otherwise.
import type { DatabaseSync } from "node:sqlite";
import { inTransaction } from "./signed-cache.ts";

export const LOOK_SCHEMA = `
  create table if not exists look (name text primary key, configuration text not null, at integer not null, json text not null);`;

export interface KeptLook {
  readonly at: Date;
  readonly json: string;
}

interface Row {
  readonly name: string;
  readonly at: number;
  readonly json: string;
}

/**
 * Keeps JSON by name, in place of what was kept of these names. A look that began later is kept, although it ended sooner; one that is
 * dated after `now` was kept while the clock was ahead.
 */
export function keepLooks(database: DatabaseSync, configuration: string, at: Date, looks: ReadonlyMap<string, string>, now: Date): void {
  const insert = database.prepare(
    `insert into look values (?1, ?2, ?3, ?4) on conflict (name)
     do update set configuration = ?2, at = ?3, json = ?4 where look.at <= ?3 or look.at > ?5`,
  );
  inTransaction(database, () => {
    for (const [name, json] of looks) insert.run(name, configuration, at.getTime(), json, now.getTime());
  });
}

/** Returns what was kept under this configuration at or after `since` and not after `until`. */
export function keptLooks(database: DatabaseSync, configuration: string, since: Date, until: Date): ReadonlyMap<string, KeptLook> {
  const rows = database
    .prepare("select name, at, json from look where configuration = ? and at between ? and ?")
    .all(configuration, since.getTime(), until.getTime()) as unknown as Row[];
  return new Map(rows.map(({ name, at, json }) => [name, { at: new Date(at), json }]));
}
