// What a staged change set would do, told before it is done.
import { createHash } from "node:crypto";
import type { MergeFindings, MergeRefusal, MergeSample, MergeTable, RaisedSequence, RowChange } from "../../../core/merge-plan.ts";
import { counted } from "../../../core/words.ts";
import type { Client } from "../connect/client.ts";
import { ATTEMPTS, LOCK_TIMEOUT_MS } from "./apply.ts";
import { keyOfStage, type LiveState, type Staged, type StagedTable } from "./stage.ts";
import { fromOf, keyColumns, rowHash, textOf } from "./tables.ts";

const SAMPLED = 3;
const LONGEST_VALUE = 60;

/** What the comparison knows beyond the change set. */
export interface Told {
  /** Rows of both states together. */
  readonly compared?: number | undefined;
  readonly refusals: readonly MergeRefusal[];
  readonly extra: ReadonlyMap<string, number>;
  readonly followed: ReadonlyMap<string, readonly string[]>;
  /** `last_value` of sequences in the restored copy. */
  readonly sequences: ReadonlyMap<string, bigint>;
}

export const NOTHING_TOLD: Told = { refusals: [], extra: new Map(), followed: new Map(), sequences: new Map() };

export async function findingsOf(live: LiveState, staged: Staged, told: Told): Promise<MergeFindings> {
  const { client } = live;
  const refusals = [...told.refusals];
  const digest = createHash("sha256");
  const tables: MergeTable[] = [];
  const sequences: RaisedSequence[] = [];
  const remarks = new Set<string>();
  const locks: string[] = [];
  for (const one of staged.tables) {
    const { table } = one;
    const { digest: part, ...counts } = await countsOf(client, one, staged);
    const extra = told.extra.get(table.name) ?? 0;
    const all = counts.insert + counts.update + counts.delete;
    digest.update(`${table.name} ${part}\n`);
    if (all === 0 && extra === 0 && counts.changedSince === 0) continue;
    const followed = told.followed.get(table.name);
    tables.push({
      table: table.name,
      keyColumns: table.key.map(({ name }) => name),
      ...counts,
      extra,
      ...(followed !== undefined && { followed }),
      samples: all === 0 ? [] : await samplesOf(client, one, staged),
    });
    if (all === 0) continue;
    if (!table.writable) refusals.push({ table: table.name, obstacle: "not writable", message: `the user may not change ${table.name}` });
    sequences.push(...(await raisedBy(client, one, told.sequences)));
    for (const remark of remarksOf(live, one, refusals)) remarks.add(remark);
    const rows = counted(counts.update + counts.delete, "row");
    locks.push(
      `${table.name}: ROW EXCLUSIVE, and ${rows} locked until the commit, after at most ${LOCK_TIMEOUT_MS / 1000} s of waiting for others, ${ATTEMPTS} times`,
    );
  }
  return { tables, compared: told.compared, unmergeable: refusals, sequences, remarks: [...remarks], locks, digest: digest.digest("hex") };
}

async function countsOf(client: Client, one: StagedTable, staged: Staged) {
  const isMade = "now is not distinct from expect and now is distinct from want";
  const [key] = keyColumns(one.table);
  const keys = one.table.key.map(({ name }) =>
    outputs(
      one,
      one.columns.findIndex((column) => column.name === name),
      "s",
    ),
  );
  const now = `case when t.${key?.quoted} is null then null else ${rowHash(one.table, staged.algorithm, "t")} end`;
  const [row] = await client.query<Record<string, string>>(
    `select pg_catalog.count(*) filter (where ${isMade} and now is null) as insert,
       pg_catalog.count(*) filter (where ${isMade} and now is not null and want is not null) as update,
       pg_catalog.count(*) filter (where ${isMade} and want is null) as delete,
       pg_catalog.count(*) filter (where now is distinct from expect and now is distinct from want) as since,
       pg_catalog.count(*) || ' ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(change, 0)), 0) as digest
     from (select s.expect, s.want, ${now} as now,
         pg_catalog.jsonb_build_array(${[...keys, "s.expect", "s.want"].join(", ")})::pg_catalog.text collate pg_catalog."C" as change
       from ${one.stage} s left join ${fromOf(one.table)} t on ${keyOfStage(one)}) changes`,
  );
  return {
    insert: Number(row?.insert),
    update: Number(row?.update),
    delete: Number(row?.delete),
    changedSince: Number(row?.since),
    digest: String(row?.digest),
  };
}

/** A staged value as its type prints it. */
function outputs({ columns }: StagedTable, place: number, alias: string): string {
  const column = columns[place];
  return column === undefined ? "null" : textOf({ ...column, quoted: `v${place}` }, alias);
}

const SELECTED: Readonly<Record<RowChange, string>> = {
  insert: "now is null and s.want is not null",
  update: "now is not null and s.want is not null and now <> s.want",
  delete: "now is not null and s.want is null",
};

async function samplesOf(client: Client, one: StagedTable, staged: Staged): Promise<MergeSample[]> {
  const { table, columns } = one;
  const [key] = keyColumns(table);
  const now = `case when t.${key?.quoted} is null then null else ${rowHash(table, staged.algorithm, "t")} end`;
  const short = (text: string): string => `pg_catalog.left(${text}, ${LONGEST_VALUE + 1})`;
  const past = columns.map((_, i) => short(outputs(one, i, "s"))).join(", ");
  const live = columns.map((column) => short(textOf(column, "t"))).join(", ");
  const samples: MergeSample[] = [];
  for (const change of ["insert", "update", "delete"] as const) {
    const rows = await client.query<{ past: (string | null)[]; live: (string | null)[] }>(
      `select array[${past}] as past, array[${live}] as live from ${one.stage} s left join ${fromOf(table)} t on ${keyOfStage(one)}
       cross join lateral (select ${now} as now) hash where ${SELECTED[change]} order by s.n limit ${SAMPLED}`,
    );
    for (const { past: then, live: present } of rows) {
      const textAt = (values: readonly (string | null)[], i: number, isThere: boolean): string | null =>
        isThere ? shortened(values[i]) : null;
      const values = columns.map(({ name }, i) => ({
        name,
        past: textAt(then, i, change !== "delete"),
        now: textAt(present, i, change !== "insert"),
      }));
      const keys = new Set(table.key.map(({ name }) => name));
      samples.push({
        rowChange: change,
        keyValues: Object.fromEntries(
          columns.flatMap(({ name }, i) => (keys.has(name) ? [[name, shortened(then[i] ?? present[i]) ?? ""]] : [])),
        ),
        values: values.filter(({ name, past: a, now: b }) => !keys.has(name) && a !== b),
      });
    }
  }
  return samples;
}

const shortened = (text: string | null | undefined): string | null =>
  text == null ? null : text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;

const INTEGERS = new Set([20, 21, 23]);

/** Sequences that would give out values which rows have that come back, or which were given out then. */
async function raisedBy(client: Client, one: StagedTable, past: ReadonlyMap<string, bigint>): Promise<RaisedSequence[]> {
  const raised: RaisedSequence[] = [];
  for (const { name, column, ascending } of one.table.sequences) {
    const place = one.columns.findIndex((each) => each.name === column);
    if (!ascending || !INTEGERS.has(one.columns[place]?.typeOid ?? 0)) continue;
    const [row] = await client.query<{ last: string; called: boolean; most: string | null }>(
      `select q.last_value::pg_catalog.text as last, q.is_called as called,
         (select pg_catalog.max(s.v${place})::pg_catalog.text from ${one.stage} s where s.want is not null) as most from ${name} q`,
    );
    if (row === undefined) continue;
    const wanted = [row.most === null ? undefined : BigInt(row.most), past.get(name)].filter((value) => value !== undefined);
    const to = wanted.reduce((a, b) => (a > b ? a : b), 0n);
    const last = BigInt(row.last);
    if (to > last || (to === last && !row.called && to > 1n)) raised.push({ sequence: name, from: row.last, to: String(to) });
  }
  return raised;
}

function* remarksOf({ mayReplicate }: LiveState, { table }: StagedTable, refusals: MergeRefusal[]): Generator<string> {
  const stopped = table.triggers.filter(({ enabled }) => enabled !== "R" || mayReplicate);
  if (stopped.length > 0) {
    const isAlter = stopped.some(({ enabled }) => !mayReplicate || enabled !== "O");
    yield `triggers of ${table.name} do not run for these rows: ${stopped.map(({ name }) => name).join(", ")}`;
    if (isAlter) yield `${table.name} is locked against other writes while its triggers are off (SHARE ROW EXCLUSIVE)`;
    if (isAlter && !table.owned)
      refusals.push({
        table: table.name,
        obstacle: "not writable",
        message: `triggers of ${table.name} would change its rows, and the user may not switch them off`,
      });
  }
  const generated = table.columns.filter((column) => column.generated).map(({ name }) => name);
  if (generated.length > 0) yield `generated columns of ${table.name} are computed by the server: ${generated.join(", ")}`;
  const identity = table.columns.filter((column) => column.identity === "a").map(({ name }) => name);
  if (identity.length > 0) yield `identity columns of ${table.name} keep the values that they had: ${identity.join(", ")}`;
  yield mayReplicate
    ? "foreign keys are checked by the merge itself before it is committed"
    : "foreign keys are checked by the server, and by the merge before it is committed";
  yield "row-level security does not hide rows from this user";
}
