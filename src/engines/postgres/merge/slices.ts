// Two tables compared by key. A first scan of each side computes one digest for each of some thousands of slices of the keys, in the
// server; only slices that differ are read, as (key, row hash) in one order, and joined here. No table is ever held in memory.
//
// A slice is a range of the hashes of keys. So slices are equally full for all keys, and one order serves keys of any type, any
// number of columns and any collation.
import type { RowDifference } from "../../../ports/merge.ts";
import type { RowAlgorithm } from "../fingerprint/expression.ts";
import type { Asker, SharedSnapshot } from "../fingerprint/snapshot.ts";
import { fromOf, keyColumns, keyHash, rowDigest, rowHash, type Table, textOf } from "./tables.ts";

export interface Side {
  readonly snapshot: SharedSnapshot;
  readonly table: Table;
  /** Which rows take part. Absent: all. */
  readonly where?: string | undefined;
}

export interface SidesCompared {
  readonly rows: { readonly past: number; readonly now: number };
  readonly differing: readonly number[];
}

/** With more, the server's processor cache no longer holds their states; with fewer, each difference costs more rows. */
const MOST_SLICES = 8_192;
const ROWS_PER_SLICE = 32;
/** Of a server's session: the states of the most slices, and the rows of those that differ, fit in it. */
export const SLICES_MEMORY = "32MB";
/** Below this many pages, a table is not worth two sessions. */
const PAGES_TO_SHARE = 16_384;
const FETCHED = 1_000;
/** Slices that differ and hold more rows are sliced again, so many times finer: fewer rows are then read. */
const MANY_ROWS = 100_000;
const FINER = 32;

/** How many slices two sides of about that many rows have: a power of two. */
export function slicesFor(past: Table, now: Table): number {
  const wanted = Math.max(past.estimatedRows, now.estimatedRows) / ROWS_PER_SLICE;
  let slices = 1;
  while (slices < wanted && slices < MOST_SLICES) slices *= 2;
  return slices;
}

interface Digests {
  readonly counts: Float64Array;
  readonly sums: BigInt64Array;
}

/** Slices of a table, as many as `slices`, of which some are chosen. */
interface Chosen {
  readonly slices: number;
  readonly differing: readonly number[];
}

/** Compares the digests of all slices, or of those `among` the chosen ones. Reads each side once. */
export async function compareSlices(
  past: Side,
  now: Side,
  algorithm: RowAlgorithm,
  slices: number,
  among?: Chosen,
): Promise<SidesCompared> {
  const [a, b] = await Promise.all([digestsOf(past, algorithm, slices, among), digestsOf(now, algorithm, slices, among)]);
  const differing: number[] = [];
  for (let i = 0; i < slices; i++) if (a.counts[i] !== b.counts[i] || a.sums[i] !== b.sums[i]) differing.push(i);
  const total = ({ counts }: Digests): number => counts.reduce((sum, count) => sum + count, 0);
  return { rows: { past: total(a), now: total(b) }, differing };
}

/** The condition that a row is in one of the chosen slices; undefined when all are chosen. */
const isIn = (table: Table, algorithm: RowAlgorithm, { slices, differing }: Chosen): string | undefined =>
  differing.length === slices
    ? undefined
    : `(${keyHash(table, algorithm, "t")} & ${slices - 1}) = any ('{${differing.join(",")}}'::bigint[])`;

/** The conditions that are given, together. */
function whereOf(...given: readonly (string | undefined)[]): string {
  const conditions = given.filter((one) => one !== undefined);
  return conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
}

async function digestsOf(
  { snapshot, table, where }: Side,
  algorithm: RowAlgorithm,
  slices: number,
  among: Chosen | undefined,
): Promise<Digests> {
  const digests: Digests = { counts: new Float64Array(slices), sums: new BigInt64Array(slices) };
  // Hashes that are combined by xor need no order, and no state but eight bytes; servers before 14 can only add.
  const combine = algorithm === "pg-rows-1" ? "pg_catalog.bit_xor(x)" : "pg_catalog.sum(x)";
  const { workers, major } = snapshot;
  const isShared = major >= 14 && table.kind === "r" && table.isHeap && table.pages >= PAGES_TO_SHARE && workers.length > 1;
  const parts = isShared ? workers.map((_, i) => pagesOf(table.pages, i, workers.length)) : [undefined];
  await Promise.all(
    parts.map(async (pages, i) => {
      const condition = whereOf(where, pages, among && isIn(table, algorithm, among));
      // Without the fence (offset 0), the planner takes each key for a group of its own and sorts the whole table on disk, and each row's
      // columns are copied for the grouping instead of the two hashes.
      const sql = `select pg_catalog.string_agg(pg_catalog.concat_ws(',', b, n, x), ' ') as digests from (
        select b, pg_catalog.count(*) as n, ${combine} as x from (
          select ${keyHash(table, algorithm, "t")} & ${slices - 1} as b, ${rowDigest(table, algorithm, "t")} as x
          from ${fromOf(table)} t${condition} offset 0
        ) hashes group by b) slices`;
      const [row] = await (workers[i] ?? snapshot.control).ask(sql);
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
  slices: number,
  { rows, differing }: SidesCompared,
): AsyncGenerator<RowDifference, void> {
  if (differing.length === 0) return;
  let chosen: Chosen = { slices, differing };
  if (((rows.past + rows.now) * differing.length) / slices > MANY_ROWS) {
    const finer = slices * FINER;
    chosen = { slices: finer, differing: (await compareSlices(past, now, algorithm, finer, chosen)).differing };
  }
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
  const inner = `select ${keyHash(table, algorithm, "t")} as p, ${rowHash(table, algorithm, "t")} as h, ${keys.map((key, i) => `${textOf(key, "t")} as k${i}`).join(", ")}
    from ${fromOf(table)} t${whereOf(where, isIn(table, algorithm, chosen))}`;
  const order = names.map((name) => `${name} collate pg_catalog."C"`).join(", ");
  await control.ask(
    `declare ${cursor} no scroll cursor for select p::pg_catalog.text as p, h::pg_catalog.text as h, ${names.join(", ")} from (${inner}) rows order by rows.p, ${order}`,
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
