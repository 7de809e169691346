// One read-only aggregation in a scratch database, for a preview: no stage that writes, no JavaScript, bounded in time, rows and bytes.
import { EJSON } from "bson";
import { type Document, MongoServerError } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import { type Answer, firstRows, type Question, type QuestionLimits } from "../../../ports/question.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { namespaceOf, type Scope } from "../scope.ts";
import { parsePipeline } from "./probe.ts";

/** Code of the source that the server would run, and stages that tell of the server rather than of data. */
const REFUSED: ReadonlySet<string> = new Set(["$function", "$accumulator", "$where", "$currentOp", "$listLocalSessions", "$changeStream"]);
const TOOK_TOO_LONG = 50;

export async function ask(session: MongoSession, scope: Scope, question: Question, limits: QuestionLimits): Promise<Answer> {
  if ("sql" in question) throw new LifeboatError("QUERY_REFUSED", "SQL is for tables: ask MongoDB with --collection and --aggregate");
  const pipeline = parsePipeline(question.pipeline);
  const operator = operatorsIn(pipeline).find((name) => REFUSED.has(name));
  if (operator !== undefined) throw new LifeboatError("QUERY_REFUSED", `the pipeline has ${operator}, which a preview does not run`);
  const { db, collection } = namespaceOf(scope, question.collection);
  const command = {
    aggregate: collection,
    pipeline: [...pipeline, { $limit: limits.rows + 1 }],
    cursor: { batchSize: limits.rows + 1 },
    maxTimeMS: limits.timeoutMs,
  };
  let documents: Document[];
  try {
    // One batch holds at most 16 MiB: what is beyond it is left out.
    const { cursor } = await session.client.db(db).command(command);
    documents = cursor.firstBatch;
    if (String(cursor.id) !== "0") {
      await session.client
        .db(db)
        .command({ killCursors: collection, cursors: [cursor.id] })
        .catch(() => undefined); // it expires
      documents = documents.slice(0, limits.rows);
    }
  } catch (error) {
    if (serverCodeOf(error) === TOOK_TOO_LONG)
      throw new LifeboatError("QUERY_REFUSED", `the aggregation took longer than ${limits.timeoutMs / 1000} s`, { cause: error });
    if (error instanceof MongoServerError)
      throw new LifeboatError("QUERY_REFUSED", `the server refused the aggregation: ${error.message}`, { cause: error });
    throw error;
  }
  const columns = [...new Set(documents.slice(0, limits.rows).flatMap((one) => Object.keys(one)))];
  const found = documents.map((one) => columns.map((name) => (name in one ? EJSON.serialize(one[name], { relaxed: true }) : null)));
  const rows = firstRows(found, limits);
  return { columns, rows, truncated: rows.length < documents.length, warnings: [] };
}

function operatorsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(operatorsIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...operatorsIn(inner)]);
}
