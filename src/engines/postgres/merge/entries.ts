// Which rows a merge would change, as temporary tables of the restored copy: key, hash of the row now, hash of the row then. Foreign keys are
// followed there, set by set, so that no list of rows is held in memory.
import type { MergeRefusal } from "../../../core/merge-plan.ts";
import type { RowDifference } from "../../../ports/merge.ts";
import type { Client } from "../connect/client.ts";
import { copyIn } from "../load/copy-in.ts";
import { copyOut } from "../load/copy-out.ts";
import type { SectionQuery } from "./changes.ts";
import { type Pair, pairOf, type Sides } from "./compare.ts";
import { type ForeignKey, isGiven, refers, wholeOf } from "./foreign-keys.ts";
import { fromOf, isExact, keyColumns, rowHash, storedColumns, type Table } from "./tables.ts";

interface TableEntries {
  readonly pair: Pair;
  /** Temporary table `k0 …, expect, want, round`. */
  readonly list: string;
  /** Foreign keys for whose sake rows came along. */
  readonly followed: Set<string>;
  /** Every row that differs is listed: no foreign key can add one. */
  readonly isComplete: boolean;
  extra: number;
}

const PIECE_ROWS = 500;

export class Entries {
  readonly refusals: MergeRefusal[] = [];
  readonly #past: Client;
  readonly #live: Client;
  readonly #sides: Sides;
  readonly #tables = new Map<string, TableEntries>();
  readonly #measured = new Set<number>();
  #names = 0;

  constructor(past: Client, live: Client, sides: Sides) {
    this.#past = past;
    this.#live = live;
    this.#sides = sides;
  }

  get tables(): readonly TableEntries[] {
    return [...this.#tables.values()];
  }

  /** Rows that only the live table has are listed when they are to be deleted, and counted otherwise. */
  async add(pair: Pair, differences: AsyncIterable<RowDifference>, isComplete: boolean, deleteExtra: boolean): Promise<void> {
    const entries = await this.#entriesOf(pair, isComplete);
    await copyIn(
      this.#past,
      `copy ${entries.list} from stdin`,
      entryLines(differences, deleteExtra, () => entries.extra++),
    );
    await this.#past.query(`analyze ${entries.list}`);
    if (!isComplete) await this.#lookUp(entries);
    else if (!isExact(pair.past)) entries.extra -= await this.#join(entries, deleteExtra);
  }

  /** Follows foreign keys until nothing is added: rows that others refer to, and rows that refer to the ones that come back. */
  async follow(keys: readonly ForeignKey[]): Promise<void> {
    for (let round = 0; ; round++) {
      let added = 0;
      for (const key of keys) added += (await this.#followUp(key, round)) + (await this.#followDown(key, round));
      if (added === 0) return;
    }
  }

  /** What becomes of each row, as sections of a change set. */
  sections(): SectionQuery[] {
    return this.tables.map(({ pair: { past }, list }) => {
      const keys = keyColumns(past);
      const columns = storedColumns(past);
      const values = columns.map((column) => {
        const place = keys.indexOf(column);
        return place < 0 ? `t.${column.quoted}` : `coalesce(t.${column.quoted}, e.k${place})`;
      });
      const query = `select e.expect, e.want, ${values.join(", ")} from ${list} e left join ${fromOf(past)} t on e.want is not null and ${isKeyOf(past)}`;
      return { table: past.name, columns: columns.map(({ name }) => name), query };
    });
  }

  async #entriesOf(pair: Pair, isComplete: boolean): Promise<TableEntries> {
    const known = this.#tables.get(pair.now.name);
    if (known !== undefined) return known;
    const list = await this.#temporary(this.#past, pair.past, ", 0::bigint as expect, 0::bigint as want, 0 as round");
    await this.#past.query(`create index on ${list} (${keyList(pair.past)})`);
    const entries = { pair, list, followed: new Set<string>(), isComplete, extra: 0 };
    this.#tables.set(pair.now.name, entries);
    return entries;
  }

  /** An empty temporary table with the columns `k0 …` of the key. */
  async #temporary(client: Client, table: Table, more = ""): Promise<string> {
    const name = `lifeboat_rows_${this.#names++}`;
    const keys = keyColumns(table).map(({ quoted }, i) => `t.${quoted} as k${i}`);
    await client.query(`create temporary table ${name} as select ${keys.join(", ")}${more} from ${fromOf(table)} t where false`);
    return `pg_temp.${name}`;
  }

  /** Of entries that a condition left on one side: what the other side has under their keys. */
  async #lookUp({ pair: { past, now }, list }: TableEntries): Promise<void> {
    const asked = await this.#sendKeys(now, `select ${keyList(past)} from ${list} where expect is null`);
    const found = await this.#temporary(this.#past, past, ", 0::bigint as h");
    const hashes = `select ${keyList(now, "e.")}, ${rowHash(now, this.#sides.algorithm, "t")} from ${asked} e join ${fromOf(now)} t on ${isKeyOf(now)}`;
    await copyIn(this.#past, `copy ${found} from stdin`, copyOut(this.#live, `copy (${hashes}) to stdout`));
    const hash = rowHash(past, this.#sides.algorithm, "t");
    await this.#past.query(
      `update ${list} e set expect = f.h from ${found} f where ${isSameEntry(past, "f")};
       update ${list} e set want = ${hash} from ${fromOf(past)} t where e.want is null and ${isKeyOf(past)};
       delete from ${list} where expect is not distinct from want; drop table ${found}; analyze ${list}`,
    );
    await this.#live.query(`drop table ${asked}`);
  }

  /**
   * A row whose key is written in another way on each side ("Bar", "BAR" of citext) was found twice, as missing and as extra: it is one
   * that changed. Returns how many of these were counted as extra.
   */
  async #join(entries: TableEntries, deleteExtra: boolean): Promise<number> {
    const { pair, list } = entries;
    const count = async (): Promise<number> =>
      Number(
        (await this.#past.query<{ n: string }>(`select pg_catalog.count(*)::pg_catalog.text as n from ${list} where expect is null`))[0]?.n,
      );
    const missing = await count();
    if (missing === 0) return 0;
    await this.#lookUp(entries);
    await this.#past.query(`delete from ${list} e using ${list} f where ${isSameEntry(pair.past, "f")} and e.ctid > f.ctid`);
    return deleteExtra ? 0 : missing - (await count());
  }

  /** A temporary table of the live session, filled with keys from the copy. */
  async #sendKeys(now: Table, query: string): Promise<string> {
    const asked = await this.#temporary(this.#live, now);
    await copyIn(this.#live, `copy ${asked} from stdin`, copyOut(this.#past, `copy (${query}) to stdout`));
    await this.#live.query(`analyze ${asked}`);
    return asked;
  }

  /** Rows that listed rows refer to, and that are missing now. */
  async #followUp(key: ForeignKey, round: number): Promise<number> {
    const { child, parent } = this.#wholes(key);
    if (child === undefined || parent === undefined) return 0;
    const referring = this.#tables.get(child.name);
    if (referring === undefined || this.#tables.get(parent.name)?.isComplete === true) return 0;
    const from = `${referring.list} e join ${fromOf(child)} f on ${isKeyOf(child, "f")} join ${fromOf(parent)} p on ${refers(key, child, parent)}
      where e.round = ${round} and e.want is not null and ${isGiven(key, child)}`;
    return await this.#addMissing(parent, "p", from, key, round);
  }

  /** Rows that referred to a row which comes back, and are missing now: they were deleted with it. */
  async #followDown(key: ForeignKey, round: number): Promise<number> {
    const { child, parent } = this.#wholes(key);
    if (child === undefined || parent === undefined) return 0;
    const referred = this.#tables.get(parent.name);
    if (referred === undefined || this.#tables.get(child.name)?.isComplete === true) return 0;
    const from = `${referred.list} e join ${fromOf(parent)} p on ${isKeyOf(parent, "p")} join ${fromOf(child)} f on ${refers(key, child, parent)}
      where e.round = ${round} and e.expect is null and e.want is not null`;
    return await this.#addMissing(child, "f", from, key, round);
  }

  /** A restored copy may have no statistics: joins of many thousand keys would be planned as if there was one. */
  async #measure(table: Table | undefined): Promise<void> {
    if (table === undefined || this.#measured.has(table.oid)) return;
    this.#measured.add(table.oid);
    const { schema, table: name } = table;
    const known = "select from pg_catalog.pg_stats where schemaname = $1 and tablename = $2 limit 1";
    if ((await this.#past.query(known, [schema, name])).length === 0) await this.#past.query(`analyze ${table.name}`);
  }

  #wholes({ child, parent }: ForeignKey): { readonly child: Table | undefined; readonly parent: Table | undefined } {
    const { now } = this.#sides.tables;
    return { child: wholeOf(now, child), parent: wholeOf(now, parent) };
  }

  async #addMissing(table: Table, alias: string, from: string, key: ForeignKey, round: number): Promise<number> {
    for (const one of Object.values(this.#wholes(key))) await this.#measure(one);
    const pair = pairOf(this.#sides, table.name);
    if ("obstacle" in pair) {
      if (this.refusals.some((each) => each.table === pair.table)) return 0;
      const [any] = await this.#past.query(`select from ${from} limit 1`).catch(() => []);
      if (any !== undefined) this.refusals.push(pair);
      return 0;
    }
    const { past, now } = pair;
    const keys = keyColumns(past).map(({ quoted }) => `${alias}.${quoted}`);
    const known = this.#tables.get(now.name);
    const unlisted = known === undefined ? "" : ` and not exists (select from ${known.list} x where ${isKeyOf(past, alias, "x")})`;
    const candidates = await this.#temporary(this.#past, past);
    const [{ n } = { n: "0" }] = await this.#past.query<{ n: string }>(
      `insert into ${candidates} select distinct ${keys.join(", ")} from ${from}${unlisted}; select pg_catalog.count(*)::pg_catalog.text as n from ${candidates}`,
    );
    let added = 0;
    if (n !== "0") {
      const asked = await this.#sendKeys(now, `select ${keyList(past)} from ${candidates}`);
      const missing = await this.#temporary(this.#past, past);
      const query = `select ${keyList(now)} from ${asked} e where not exists (select from ${fromOf(now)} t where ${isKeyOf(now)})`;
      await copyIn(this.#past, `copy ${missing} from stdin`, copyOut(this.#live, `copy (${query}) to stdout`));
      await this.#live.query(`drop table ${asked}`);
      const [count] = await this.#past.query<{ n: string }>(`select pg_catalog.count(*)::pg_catalog.text as n from ${missing}`);
      added = Number(count?.n);
      if (added > 0) {
        const entries = await this.#entriesOf(pair, false);
        entries.followed.add(key.name);
        const hash = rowHash(past, this.#sides.algorithm, "t");
        await this.#past.query(
          `insert into ${entries.list} select ${keyList(past, "e.")}, null, ${hash}, ${round + 1} from ${missing} e join ${fromOf(past)} t on ${isKeyOf(past)};
           analyze ${entries.list}`,
        );
      }
      await this.#past.query(`drop table ${missing}`);
    }
    await this.#past.query(`drop table ${candidates}`);
    return added;
  }
}

const keyList = ({ key }: Table, alias = ""): string => key.map((_, i) => `${alias}k${i}`).join(", ");

/** Whether row `t` has the key of the entry `e`. */
const isKeyOf = (table: Table, t = "t", e = "e"): string =>
  keyColumns(table)
    .map(({ quoted }, i) => `${t}.${quoted} ${table.key[i]?.equal} ${e}.k${i}`)
    .join(" and ");

/** Whether two entries have one key. */
const isSameEntry = ({ key }: Table, other: string): string => key.map(({ equal }, i) => `e.k${i} ${equal} ${other}.k${i}`).join(" and ");

/** Entries as COPY reads them. */
async function* entryLines(
  differences: AsyncIterable<RowDifference>,
  deleteExtra: boolean,
  onExtra: () => void,
): AsyncGenerator<Uint8Array, void> {
  let lines: string[] = [];
  for await (const { key, past, now } of differences) {
    if (past === null && !deleteExtra) {
      onExtra();
      continue;
    }
    lines.push(`${[...key.map(escaped), now ?? "\\N", past ?? "\\N", "0"].join("\t")}\n`);
    if (lines.length < PIECE_ROWS) continue;
    yield Buffer.from(lines.join(""));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(""));
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const escaped = (text: string): string => text.replaceAll(/[\\\n\r\t]/g, (letter) => ESCAPES[letter] ?? letter);
