// Asks the configuration's questions of a restored database. What could not be asked, or covered no row, does not pass.
import { didYouMean } from "../../../core/suggest.ts";
import type { Check } from "../../../core/verdict.ts";
import type { Probe } from "../../../ports/probe.ts";
import { quoteName } from "../connect/quote.ts";
import { FIRST_USER_OID, tablesThatRunCode } from "../fingerprint/planning.ts";

/** The part of a client that is asked. */
export interface Asked {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Each question has so long. Default five minutes. */
  readonly timeoutMs?: number | undefined;
  /** What asks for an object that does not exist, or finds no row, fails instead of being inconclusive. */
  readonly absentFails?: boolean | undefined;
  /** The schemas in which a name without one is looked for, in order: an ordinary session's. Default: none. */
  readonly path?: readonly string[] | undefined;
}

const DEFAULT_TIMEOUT_MS = 300_000;

/** How far an application's clock may be ahead of the server's. */
const CLOCK_SKEW_MS = 300_000;

type TableProbe = Extract<Probe, { table: string }>;
type SqlProbe = Extract<Probe, { sql: string }>;
type Answer = Pick<Check, "outcome" | "message"> & Partial<Check>;

/**
 * One check or more a probe, in order. A custom question is one SELECT; the first column of its first row is the answer.
 * Each runs in a read-only transaction of its own that is rolled back.
 */
export async function runProbes(client: Asked, probes: readonly Probe[], asOf: Date, options: ProbeOptions = {}): Promise<Check[]> {
  const checks: Check[] = [];
  for (const probe of probes) {
    options.signal?.throwIfAborted();
    if ("sql" in probe) checks.push(await askSql(client, probe, options));
    else if ("table" in probe) checks.push(...(await askTable(client, probe, asOf, options)));
    else checks.push(notForTables(probe.name ?? `aggregation over ${probe.collection}`));
  }
  return checks;
}

const notForTables = (name: string): Check => ({
  name,
  kind: "probe",
  outcome: "inconclusive",
  message: "an aggregation is a question for MongoDB; ask PostgreSQL with `sql`",
});

/** An undefined table, column, schema or function. */
const ABSENT: ReadonlySet<string> = new Set(["42P01", "42703", "3F000", "42883"]);

const absent = (fails = false): "fail" | "inconclusive" => (fails ? "fail" : "inconclusive");

/** Runs `ask` where nothing can be written and nothing takes forever; a failing probe is an answer, not an error. */
async function guarded(client: Asked, name: string, options: ProbeOptions, ask: () => Promise<Answer>): Promise<Check> {
  await client.query("begin read only");
  try {
    await client.query(`set local statement_timeout = ${Math.max(1, Math.round(options.timeoutMs ?? DEFAULT_TIMEOUT_MS))}`);
    return { name, kind: "probe", ...(await ask()) };
  } catch (error) {
    // Without a state the server did not say it: the connection is gone, and so is every further question.
    if (typeof (error as { code?: unknown }).code !== "string" || options.signal?.aborted) throw error;
    const isAbsent = options.absentFails === true && ABSENT.has(String((error as { code?: unknown }).code));
    return { name, kind: "probe", outcome: absent(isAbsent), message: `it could not be asked: ${(error as Error).message}` };
  } finally {
    await client.query("rollback").catch(() => undefined);
  }
}

async function askSql(client: Asked, probe: SqlProbe, options: ProbeOptions): Promise<Check> {
  return guarded(client, probe.name ?? probe.sql, options, async () => {
    // The question is the user's own, so its bare names mean what they mean in an ordinary session, with one exception: the path comes
    // from the source's owner, who could put doubles of the system's functions and operators first. There, the system's come first.
    const path = ["pg_catalog", ...(options.path ?? []).filter((schema) => schema !== "pg_catalog")];
    await client.query(`set local search_path to ${path.map(quoteName).join(", ")}`);
    // With a parameter it travels as a prepared statement, which must be a single one: it cannot end the transaction it runs in.
    const { rows } = await client.query(
      `select q."lifeboat answer" as answer from (\n${probe.sql.replace(/[;\s]+$/, "")}\n) as q ("lifeboat answer") where $1::boolean limit 1`,
      [true],
    );
    const [first] = rows;
    const value = first?.answer;
    const outcome = absent(options.absentFails);
    if (first === undefined) return { outcome, message: "the query gave no row" };
    if (value === null || value === undefined) return { outcome, message: "the query gave null" };
    if (value === true || value === "t" || value === "true") return { outcome: "pass", message: "the query says true" };
    if (value === false || value === "f" || value === "false")
      return { outcome: "fail", message: "the query says false", expected: "true", actual: "false" };
    return {
      outcome: "inconclusive",
      message: "the first column is neither true nor false: compare it with what you expect",
      actual: String(value).slice(0, 80),
    };
  });
}

/**
 * Built-in questions run no code that came with the data. One that would is inconclusive: the user's own SQL may ask it, knowing that it
 * does.
 */
async function askTable(client: Asked, probe: TableProbe, asOf: Date, options: ProbeOptions): Promise<Check[]> {
  const existence = await guarded(client, `table ${probe.table} exists`, options, () => resolve(client, probe.table, options.path ?? []));
  const table = existence.actual;
  if (existence.outcome !== "pass" || table === undefined) return [existence];
  const checks: Check[] = [existence];
  const add = async (name: string, ask: () => Promise<Answer>) => void checks.push(await guarded(client, name, options, ask));
  if (probe.rows) await add(`row count of ${probe.table}`, () => whole(client, table, () => countRows(client, table, probe.rows ?? {})));
  if (probe.newest !== undefined) {
    const column = probe.newest;
    await add(`newest ${column} of ${probe.table}`, () =>
      whole(client, table, () => newestRow(client, table, column, probe.withinMs, asOf)),
    );
  }
  if (probe.indexes) await add(`indexes of ${probe.table}`, () => countIndexes(client, table, probe.indexes?.min ?? 0));
  return checks;
}

const ANY_RELATION = `from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;
const FULL_NAME = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)";

/** `actual` is the quoted, qualified name. A name may be quoted as in SQL, or written plainly (`Users`), or without its schema. */
async function resolve(client: Asked, wanted: string, path: readonly string[]): Promise<Answer> {
  const found = await client.query(
    `select ${FULL_NAME} as name ${ANY_RELATION}
     and ($1 in (n.nspname || '.' || c.relname, ${FULL_NAME})
       or ($1 in (c.relname, pg_catalog.quote_ident(c.relname)) and n.nspname = any ($2::pg_catalog.text[])))
     order by pg_catalog.array_position($2::pg_catalog.text[], n.nspname::pg_catalog.text) nulls last limit 1`,
    [wanted, path],
  );
  const name = found.rows[0]?.name;
  if (typeof name === "string") return { outcome: "pass", message: "the table exists", actual: name };
  const all = await client.query(`select ${FULL_NAME} as name, c.relname::pg_catalog.text as bare ${ANY_RELATION} order by 1`);
  const candidates = all.rows.flatMap((row) => (wanted.includes(".") ? [String(row.name)] : [String(row.bare)]));
  return { outcome: "fail", message: `there is no table ${wanted}${didYouMean(wanted, candidates)}`, expected: wanted };
}

/** A table with all that inherits from it, partitions included. */
const FAMILY = `with recursive family(oid) as (
  select $1::pg_catalog.regclass::pg_catalog.oid
  union select i.inhrelid from pg_catalog.pg_inherits i join family f on f.oid = i.inhparent
) select c.oid::bigint::pg_catalog.text as oid, c.oid::pg_catalog.regclass::pg_catalog.text as name, c.relkind::pg_catalog.text as kind
  from family f join pg_catalog.pg_class c on c.oid = f.oid`;

const CODE: Readonly<Record<string, string>> = { v: "is a view, which runs code of the database", f: "is on another server" };

/** Asks it if reading all of the table runs nothing but the server's own code. */
async function whole(client: Asked, table: string, ask: () => Promise<Answer>): Promise<Answer> {
  const { rows: family } = await client.query(FAMILY, [table]);
  const strange = family.find(({ kind }) => String(kind) in CODE);
  const asker = { ask: async (sql: string, values?: unknown[]) => (await client.query(sql, values)).rows };
  const planned = await tablesThatRunCode(
    asker,
    family.map(({ oid }) => Number(oid)),
  );
  const why = strange
    ? `${strange.name} ${CODE[String(strange.kind)]}: ask it with \`sql\``
    : planned.map(({ name, reason }) => `${name}: ${reason}`)[0];
  return why === undefined ? await ask() : { outcome: "inconclusive", message: `it was not asked: ${why}` };
}

async function countRows(client: Asked, table: string, limits: { readonly min?: number; readonly max?: number }): Promise<Answer> {
  const { rows } = await client.query(`select pg_catalog.count(*)::pg_catalog.text as n from ${table}`);
  const count = Number(rows[0]?.n);
  const { min = 1, max = Number.POSITIVE_INFINITY } = limits;
  const expected = max === Number.POSITIVE_INFINITY ? `at least ${min} rows` : `${min} to ${max} rows`;
  const facts = { expected, actual: `${count} rows`, rows: count };
  if (count < min || count > max) return { ...facts, outcome: "fail", message: `it has ${count} rows, not ${expected}` };
  // A limit of zero says that empty is allowed; it does not make nothing into a proof.
  if (count === 0) return { ...facts, outcome: "inconclusive", message: "the table is empty: nothing was covered" };
  return { ...facts, outcome: "pass", message: `it has ${count} rows` };
}

async function newestRow(client: Asked, table: string, column: string, withinMs: number | undefined, asOf: Date): Promise<Answer> {
  const known = await client.query(
    `with recursive base(oid, base) as (
       select t.oid, t.oid from pg_catalog.pg_type t where t.typtype <> 'd'
       union all select t.oid, b.base from pg_catalog.pg_type t join base b on t.typbasetype = b.oid where t.typtype = 'd'
     )
     select pg_catalog.quote_ident(a.attname) as quoted, a.attname::pg_catalog.text as name, b.base::bigint::pg_catalog.text as type,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name
     from pg_catalog.pg_attribute a join base b on b.oid = a.atttypid
     where a.attrelid = $1::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [table],
  );
  const names = known.rows.map((row) => ({ name: String(row.quoted), also: String(row.name), row }));
  const chosen = names.find(({ name, also }) => name === column || also === column);
  const quoted = chosen?.name;
  // Which of two values is the greater, and what instant one means, is code of the type's author.
  if (Number(chosen?.row.type) >= FIRST_USER_OID) {
    const message = `${column} is of the type ${chosen?.row.type_name}, which is none of the server's own: ask it with \`sql\``;
    return { outcome: "inconclusive", message };
  }
  if (quoted === undefined) {
    const candidates = names.map(({ also }) => also);
    return { outcome: "fail", message: `${table} has no column ${column}${didYouMean(column, candidates)}` };
  }
  await client.query("set local timezone = 'UTC'");
  const { rows } = await client.query(
    `select extract(epoch from $1::pg_catalog.timestamptz)::pg_catalog.float8 - extract(epoch from pg_catalog.max(${quoted})::pg_catalog.timestamptz)::pg_catalog.float8 as age,
       pg_catalog.isfinite(pg_catalog.max(${quoted})::pg_catalog.timestamptz) as finite, pg_catalog.max(${quoted})::pg_catalog.text as text from ${table}`,
    [asOf.toISOString()],
  );
  const [row] = rows;
  const text = row?.text;
  if (typeof text !== "string") return { outcome: "inconclusive", message: `no row has a ${column}: nothing was covered`, rows: 0 };
  if (row?.finite !== true) return { outcome: "inconclusive", message: `the newest ${column} is ${text}, which has no age`, actual: text };
  const ageMs = Number(row.age) * 1000;
  const actual = `${text}, ${Math.round(ageMs / 1000)} s before the snapshot`;
  if (withinMs === undefined) return { outcome: "pass", message: `the newest row is of ${text}`, actual };
  const expected = `at most ${withinMs / 1000} s before ${asOf.toISOString()}`;
  if (ageMs < -CLOCK_SKEW_MS) {
    const message = `the newest ${column}, ${text}, lies after the snapshot: rows dated ahead hide how old the data is`;
    return { outcome: "inconclusive", message, expected, actual: text };
  }
  if (ageMs > withinMs) return { outcome: "fail", message: `the newest row is too old: ${actual}`, expected, actual };
  return { outcome: "pass", message: `the newest row is of ${text}`, expected, actual };
}

async function countIndexes(client: Asked, table: string, min: number): Promise<Answer> {
  const { rows } = await client.query(
    "select pg_catalog.count(*) filter (where indisvalid and indisready)::pg_catalog.text as n from pg_catalog.pg_index where indrelid = $1::pg_catalog.regclass",
    [table],
  );
  const count = Number(rows[0]?.n);
  const facts = { expected: `at least ${min}`, actual: String(count) };
  if (count < min) return { ...facts, outcome: "fail", message: `it has ${count} usable indexes, not at least ${min}` };
  return { ...facts, outcome: "pass", message: `it has ${count} usable indexes` };
}
