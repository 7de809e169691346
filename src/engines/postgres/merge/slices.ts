// Two tables compared by key. A first scan of each side computes one digest for each of some thousands of slices of the keys, in the
// server; only slices that differ are read, as (key, row hash) in one order, and joined here. No table is ever held in memory.
import type { RowDifference } from "../../../ports/merge.ts";
import type { RowAlgorithm } from "../fingerprint/expression.ts";
import type { Asker, SharedSnapshot } from "../fingerprint/snapshot.ts";
import {
  type Chosen,
  type Condition,
  conditionOf,
  countOf,
  FINER,
  finer,
  hashSlicing,
  isAmbiguous,
  placeOf,
  type Slicing,
  sliceOf,
} from "./slicing.ts";
import { fromOf, keyColumns, rowDigest, rowHash, type Table, textOf } from "./tables.ts";

export interface Side {
  readonly snapshot: SharedSnapshot;
  readonly table: Table;
  /** Which rows take part. Absent: all. */
  readonly where?: string | undefined;
}

export interface SidesCompared extends Chosen {
  readonly rows: { readonly past: number; readonly now: number };
  /** Of both sides, in the slices that differ. */
  readonly differingRows: number;
}

/** Of a server's session: the states of the most slices, and the rows of those that differ, fit in it. */
export const SLICES_MEMORY = "32MB";
/** Below this many pages, a table is not worth two sessions. */
const PAGES_TO_SHARE = 16_384;
const FETCHED = 1_000;
/** Slices that differ and hold more rows are sliced again: fewer rows are then read. */
const MANY_ROWS = 100_000;
/** Slices that hold so many times more rows than those of hashes would, are crowded. */
const CROWDED = 4;

interface Digests {
  readonly counts: Float64Array;
  readonly sums: BigInt64Array;
}

/** Compares the digests of all slices, or of those `among` the chosen ones. Reads each side once. */
export async function compareSlices(
  past: Side,
  now: Side,
  algorithm: RowAlgorithm,
  slicing: Slicing,
  among?: Chosen,
): Promise<SidesCompared> {
  const [a, b] = await Promise.all([digestsOf(past, algorithm, slicing, among), digestsOf(now, algorithm, slicing, among)]);
  const differing: number[] = [];
  let differingRows = 0;
  for (let i = 0; i < a.counts.length; i++) {
    if (a.counts[i] === b.counts[i] && a.sums[i] === b.sums[i]) continue;
    differing.push(i);
    differingRows += (a.counts[i] ?? 0) + (b.counts[i] ?? 0);
  }
  const total = ({ counts }: Digests): number => counts.reduce((sum, count) => sum + count, 0);
  return { slicing, rows: { past: total(a), now: total(b) }, differing, differingRows };
}

/** Slices again what holds many rows. Keys that lie close together, with others far away, fill few slices of integers: hashes are used then. */
async function narrowed(past: Side, now: Side, algorithm: RowAlgorithm, compared: SidesCompared): Promise<SidesCompared> {
  if (compared.differingRows <= MANY_ROWS) return compared;
  const hashed = hashSlicing(past.table, now.table);
  const usual = (compared.rows.past + compared.rows.now) / (countOf(hashed) * FINER);
  /** Whether slices still hold too many rows when each is cut into so many parts. */
  const isCrowded = ({ slicing, differing, differingRows }: SidesCompared, parts: number): boolean =>
    slicing.by === "integer" && differingRows / (differing.length * parts) > CROWDED * usual;
  if (!isCrowded(compared, FINER)) {
    const found = await compareSlices(past, now, algorithm, finer(compared.slicing), compared);
    if (found.differingRows <= MANY_ROWS || !isCrowded(found, 1)) return found;
  }
  return await narrowed(past, now, algorithm, await compareSlices(past, now, algorithm, hashed));
}

/** The conditions that are given, together. */
function allOf(...given: readonly (string | undefined)[]): string | undefined {
  const conditions = given.filter((one) => one !== undefined);
  return conditions.length === 0 ? undefined : conditions.join(" and ");
}

function whereOf(...given: readonly (string | undefined)[]): string {
  const condition = allOf(...given);
  return condition === undefined ? "" : ` where ${condition}`;
}

/** Conditions that divide the rows, or the chosen ones, among the sessions. */
function partsOf({ snapshot, table }: Side, algorithm: RowAlgorithm, among: Chosen | undefined): Condition[] {
  const { workers, major } = snapshot;
  const chosen: Condition = among === undefined ? { sql: undefined, isIndexed: false } : conditionOf(among, table, algorithm);
  if (among !== undefined && chosen.isIndexed) {
    const part = Math.ceil(among.differing.length / workers.length);
    return workers.flatMap((_, i) => {
      const differing = among.differing.slice(i * part, (i + 1) * part);
      return differing.length === 0 ? [] : [conditionOf({ ...among, differing }, table, algorithm)];
    });
  }
  const isShared = major >= 14 && table.kind === "r" && table.isHeap && table.pages >= PAGES_TO_SHARE && workers.length > 1;
  const pages = isShared ? workers.map((_, i) => pagesOf(table.pages, i, workers.length)) : [undefined];
  return pages.map((range) => ({ sql: allOf(range, chosen.sql), isIndexed: false }));
}

/**
 * Asks with bitmaps of the key's index where it serves the condition: without statistics, which a restored copy lacks, the planner would
 * read the whole table, or all of it in the index's order.
 */
async function askBy(session: Asker, { isIndexed }: Condition, sql: string): ReturnType<Asker["ask"]> {
  if (!isIndexed) return await session.ask(sql);
  await session.ask("set enable_seqscan = off; set enable_indexscan = off");
  try {
    return await session.ask(sql);
  } finally {
    await session.ask("reset enable_seqscan; reset enable_indexscan");
  }
}

async function digestsOf(side: Side, algorithm: RowAlgorithm, slicing: Slicing, among: Chosen | undefined): Promise<Digests> {
  const { snapshot, table, where } = side;
  const digests: Digests = { counts: new Float64Array(countOf(slicing)), sums: new BigInt64Array(countOf(slicing)) };
  // Hashes that are combined by xor need no order, and no state but eight bytes; servers before 14 can only add.
  const combine = algorithm === "pg-rows-1" ? "pg_catalog.bit_xor(x)" : "pg_catalog.sum(x)";
  await Promise.all(
    partsOf(side, algorithm, among).map(async (condition, i) => {
      // Without the fence (offset 0), the planner takes each key for a group of its own and sorts the whole table on disk, and each row's
      // columns are copied for the grouping instead of the two hashes.
      const sql = `select pg_catalog.string_agg(pg_catalog.concat_ws(',', b, n, x), ' ') as digests from (
        select b, pg_catalog.count(*) as n, ${combine} as x from (
          select ${sliceOf(slicing, table, algorithm, "t")} as b, ${rowDigest(table, algorithm, "t")} as x
          from ${fromOf(table)} t${whereOf(where, condition.sql)} offset 0
        ) hashes group by b) slices`;
      const [row] = await askBy(snapshot.workers[i] ?? snapshot.control, condition, sql);
      for (const [slice, count, sum] of triples(String(row?.digests ?? ""))) {
        digests.counts[slice] = (digests.counts[slice] ?? 0) + count;
        digests.sums[slice] = (digests.sums[slice] ?? 0n) ^ sum;
      }
    }),
  );
  return digests;
}

/** Yields slice, count and sum of a text such as `0,31,-7 1,30,5`. One at a time: a list of all would outlive the young generation. */
function* triples(text: string): Iterable<readonly [slice: number, count: number, sum: bigint]> {
  for (let at = 0; at < text.length; ) {
    const [first, second] = [text.indexOf(",", at), text.indexOf(",", text.indexOf(",", at) + 1)];
    const end = text.indexOf(" ", second);
    const last = end < 0 ? text.length : end;
    yield [Number(text.slice(at, first)), Number(text.slice(first + 1, second)), BigInt.asIntN(64, BigInt(text.slice(second + 1, last)))];
    at = last + 1;
  }
}

function pagesOf(pages: number, part: number, parts: number): string {
  const at = (n: number): string => `'(${Math.floor((pages * n) / parts)},0)'::pg_catalog.tid`;
  return part === parts - 1 ? `t.ctid >= ${at(part)}` : `t.ctid >= ${at(part)} and t.ctid < ${at(part + 1)}`;
}

interface HashedRow {
  readonly place: bigint;
  readonly hash: string;
  readonly key: readonly string[];
}

/** Rows of the slices that differ, joined by key. */
export async function* differencesIn(
  past: Side,
  now: Side,
  algorithm: RowAlgorithm,
  compared: SidesCompared,
): AsyncGenerator<RowDifference, void> {
  if (compared.differing.length === 0) return;
  const chosen = await narrowed(past, now, algorithm, compared);
  const [left, right] = [rowsIn(past, algorithm, chosen), rowsIn(now, algorithm, chosen)];
  try {
    let [a, b] = (await Promise.all([left.next(), right.next()])).map(({ value }) => value ?? undefined);
    while (a !== undefined || b !== undefined) {
      const order = compareRows(a, b);
      if (order === 0) {
        if (a !== undefined && b !== undefined && a.hash !== b.hash) yield { key: a.key, change: "changed", past: a.hash, now: b.hash };
      } else if (order < 0 && a !== undefined) yield { key: a.key, change: "only then", past: a.hash, now: null };
      else if (b !== undefined) yield { key: b.key, change: "only now", past: null, now: b.hash };
      if (order <= 0) a = (await left.next()).value ?? undefined;
      if (order >= 0) b = (await right.next()).value ?? undefined;
    }
  } finally {
    await left.return();
    await right.return();
  }
}

function compareRows(a: HashedRow | undefined, b: HashedRow | undefined): number {
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  if (a.place !== b.place) return a.place < b.place ? -1 : 1;
  for (const [i, text] of a.key.entries()) {
    const other = b.key[i] ?? "";
    if (text !== other) return Buffer.compare(Buffer.from(text), Buffer.from(other));
  }
  return 0;
}

let cursors = 0;

async function* rowsIn(
  { snapshot: { control }, table, where }: Side,
  algorithm: RowAlgorithm,
  chosen: Chosen,
): AsyncGenerator<HashedRow, void> {
  const cursor = `lifeboat_${++cursors}`;
  const keys = keyColumns(table);
  const names = keys.map((_, i) => `k${i}`);
  const condition = conditionOf(chosen, table, algorithm);
  const inner = `select ${placeOf(chosen.slicing, table, algorithm, "t")} as p, ${rowHash(table, algorithm, "t")} as h, ${keys.map((key, i) => `${textOf(key, "t")} as k${i}`).join(", ")}
    from ${fromOf(table)} t${whereOf(where, condition.sql)}`;
  const order = ["rows.p", ...(isAmbiguous(chosen.slicing, table) ? names.map((name) => `${name} collate pg_catalog."C"`) : [])];
  await askBy(
    control,
    condition,
    `declare ${cursor} no scroll cursor for select p::pg_catalog.text as p, h::pg_catalog.text as h, ${names.join(", ")} from (${inner}) rows order by ${order.join(", ")}`,
  );
  const fetch = (): ReturnType<Asker["ask"]> => control.ask(`fetch forward ${FETCHED} from ${cursor}`);
  let next = fetch();
  try {
    for (;;) {
      const rows = await next;
      if (rows.length === 0) return;
      // The server reads on while these are joined.
      next = fetch();
      next.catch(() => undefined); // awaited in the next round
      for (const row of rows) yield { place: BigInt(String(row.p)), hash: String(row.h), key: names.map((name) => String(row[name])) };
    }
  } finally {
    await next.catch(() => undefined);
    await control.ask(`close ${cursor}`).catch(() => undefined);
  }
}
