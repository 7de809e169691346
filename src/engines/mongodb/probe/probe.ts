// Asks the configuration's questions of a restored database. What could not be asked, or covered no document, does not pass.

import { EJSON } from "bson";
import { type Document, MongoServerError } from "mongodb";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { Check } from "../../../core/verdict.ts";
import type { Probe, ProbeWork } from "../../../ports/probe.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { isServerCollection, type Namespace, namespaceOf, type Scope } from "../scope.ts";
import { isExpiring } from "../ttl/ttl.ts";
import { type Answer, type Asked, newestOf } from "./newest.ts";

type TableProbe = Extract<Probe, { table: string }>;
type AggregateProbe = Extract<Probe, { collection: string }>;

/** Each question has so long, unless the caller says otherwise. */
const TIMEOUT_MS = 300_000;

/** One check or more a probe, in order. Nothing is written. */
export async function runProbes(
  session: MongoSession,
  scope: Scope,
  probes: readonly Probe[],
  asOf: Date,
  work: ProbeWork = {},
): Promise<Check[]> {
  const checks: Check[] = [];
  for (const probe of probes) {
    work.signal?.throwIfAborted();
    if ("table" in probe) checks.push(...(await askTable(session, scope, probe, asOf, work)));
    else if ("collection" in probe) checks.push(...(await askAggregate(session, scope, probe, work)));
    else checks.push({ name: probe.name ?? probe.sql, kind: "probe", outcome: "inconclusive", message: NOT_SQL });
  }
  return checks;
}

const NOT_SQL = "MongoDB does not understand SQL; ask with `collection` and `aggregate`";

async function guarded(name: string, ask: () => Promise<Answer>): Promise<Check> {
  try {
    return { name, kind: "probe", ...(await ask()) };
  } catch (error) {
    if (!isAnswer(error)) throw error;
    return { name, kind: "probe", outcome: "inconclusive", message: `it could not be asked: ${(error as Error).message}` };
  }
}

const TOOK_TOO_LONG = 50;

/** What the server refused is an answer. A connection that is gone is not: so is every further question. */
const isAnswer = (error: unknown): boolean =>
  error instanceof MongoServerError ||
  isLifeboatError(error, "SOURCE_PERMISSION") ||
  isLifeboatError(error, "USAGE") ||
  serverCodeOf(error) === TOOK_TOO_LONG;

async function askTable(session: MongoSession, scope: Scope, probe: TableProbe, asOf: Date, work: ProbeWork): Promise<Check[]> {
  const { table } = probe;
  const existence = await guarded(`collection ${table} exists`, () => exists(session, scope, table));
  const checks: Check[] = [existence];
  if (existence.outcome !== "pass") return checks;
  const asked = askedOf(session, namespaceOf(scope, table), work);
  const add = async (name: string, ask: () => Promise<Answer>) => void checks.push(await guarded(name, ask));
  const { rows, newest, indexes } = probe;
  if (rows)
    await add(`document count of ${table}`, async () =>
      withoutExpired(session, asked, work, await countDocuments(asked, rows), rows.max !== undefined),
    );
  if (newest !== undefined) await add(`newest ${newest} of ${table}`, () => newestOf(asked, newest, probe.withinMs, asOf));
  if (indexes) await add(`indexes of ${table}`, () => countIndexes(asked, indexes.min));
  return checks;
}

async function askAggregate(session: MongoSession, scope: Scope, probe: AggregateProbe, work: ProbeWork): Promise<Check[]> {
  const name = probe.name ?? `aggregation over ${probe.collection}`;
  const existence = await guarded(name, () => exists(session, scope, probe.collection));
  if (existence.outcome !== "pass") return [existence];
  const asked = askedOf(session, namespaceOf(scope, probe.collection), work);
  return [await guarded(name, async () => withoutExpired(session, asked, work, await aggregate(asked, probe.aggregate, work)))];
}

/** The answer, where documents that had expired by now may have changed it. `unsure`: a pass too may come of their absence. */
async function withoutExpired(
  session: MongoSession,
  { namespace }: Asked,
  { mayHaveExpired }: ProbeWork,
  answer: Answer,
  unsure = false,
): Promise<Answer> {
  const isDoubtful = answer.outcome === "fail" || (unsure && answer.outcome === "pass");
  if (mayHaveExpired !== true || !isDoubtful || !(await isExpiring(session, namespace))) return answer;
  const message = `${answer.message}; its documents expire, so some that were there at that instant may be gone`;
  return { ...answer, outcome: "inconclusive", message };
}

function askedOf(session: MongoSession, namespace: Namespace, { timeoutMs: maxTimeMS = TIMEOUT_MS }: ProbeWork): Asked {
  return { namespace, command: (command) => session.command(namespace.db, { ...command, maxTimeMS }) };
}

async function exists(session: MongoSession, scope: Scope, table: string): Promise<Answer> {
  const { db, collection } = namespaceOf(scope, table);
  const names = (await session.client.db(db).listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  if (names.includes(collection)) return { outcome: "pass", message: "the collection exists" };
  const candidates = names
    .filter((name) => !isServerCollection(name))
    .map((name) => (scope.database === undefined ? `${db}.${name}` : name));
  return { outcome: "fail", message: `there is no collection ${table}${didYouMean(table, candidates)}`, expected: table };
}

/** Every document is counted: the count that a server keeps beside a collection may be wrong after a crash. */
async function countDocuments(asked: Asked, limits: { readonly min?: number; readonly max?: number }): Promise<Answer> {
  const pipeline = [{ $group: { _id: null, n: { $sum: 1 } } }];
  const reply = await asked.command({ aggregate: asked.namespace.collection, pipeline, cursor: {} });
  const count = Number(reply.cursor.firstBatch[0]?.n ?? 0);
  const { min = 1, max = Number.POSITIVE_INFINITY } = limits;
  const expected = max === Number.POSITIVE_INFINITY ? `at least ${min} documents` : `${min} to ${max} documents`;
  const facts = { expected, actual: `${count} documents`, rows: count };
  if (count < min || count > max) return { ...facts, outcome: "fail", message: `it has ${count} documents, not ${expected}` };
  // A limit of zero says that empty is allowed; it does not make nothing into a proof.
  if (count === 0) return { ...facts, outcome: "inconclusive", message: "the collection is empty: nothing was covered" };
  return { ...facts, outcome: "pass", message: `it has ${count} documents` };
}

async function countIndexes(asked: Asked, min: number): Promise<Answer> {
  const reply = await asked.command({ listIndexes: asked.namespace.collection, cursor: { batchSize: 1000 } });
  // One that is still being built serves no query; the server lists it with the id of its build.
  const count = (reply.cursor.firstBatch as Document[]).filter((index) => index.buildUUID === undefined).length;
  const facts = { expected: `at least ${min}`, actual: String(count) };
  if (count < min) return { ...facts, outcome: "fail", message: `it has ${count} indexes, not at least ${min}` };
  return { ...facts, outcome: "pass", message: `it has ${count} indexes` };
}

async function aggregate(asked: Asked, text: string, { absentFails }: ProbeWork): Promise<Answer> {
  const pipeline = parsePipeline(text);
  const reply = await asked.command({ aggregate: asked.namespace.collection, pipeline, cursor: { batchSize: 1 } });
  const [first] = reply.cursor.firstBatch as Document[];
  const cursor = reply.cursor.id;
  if (String(cursor) !== "0")
    await asked.command({ killCursors: asked.namespace.collection, cursors: [cursor] }).catch(() => {
      // It answers for nothing that was asked, and the server forgets it by itself.
    });
  if (first === undefined) return { outcome: absentFails === true ? "fail" : "inconclusive", message: "the aggregation gave no document" };
  if (first.ok === true) return { outcome: "pass", message: "the aggregation says true" };
  if (first.ok === false) return { outcome: "fail", message: "the aggregation says false", expected: "true", actual: "false" };
  const actual = JSON.stringify(first.ok ?? null)?.slice(0, 80);
  return { outcome: "inconclusive", message: "field `ok` of the first document is neither true nor false", actual };
}

// A question written as an aggregation pipeline, in extended JSON: read, and refused when it would write.

/** Stages that write. */
const WRITING = new Set(["$out", "$merge"]);

/** Parses a pipeline in extended JSON. Throws USAGE for other texts, and for a pipeline that writes. */
export function parsePipeline(text: string): Document[] {
  let parsed: unknown;
  try {
    parsed = EJSON.parse(text, { relaxed: false });
  } catch (cause) {
    throw new LifeboatError("USAGE", `the pipeline is not extended JSON: ${(cause as Error).message}`, { cause });
  }
  if (!Array.isArray(parsed) || !parsed.every((stage) => typeof stage === "object" && stage !== null)) {
    throw new LifeboatError("USAGE", "the pipeline is not a list of stages");
  }
  refuseWriting(parsed);
  return parsed as Document[];
}

function refuseWriting(value: unknown): void {
  if (Array.isArray(value)) {
    for (const each of value) refuseWriting(each);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (WRITING.has(key)) throw new LifeboatError("USAGE", `the pipeline would write, with ${key}: a check only reads`);
    refuseWriting(inner);
  }
}
