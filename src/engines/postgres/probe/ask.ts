// One read-only query in a scratch database, for a preview. What the query calls is code of the source: it runs as a login role that may
// only read, in a read-only transaction, through a cursor, which takes nothing but a query.
import { randomBytes } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import { type Answer, firstRows, type Question, type QuestionLimits } from "../../../ports/question.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { partsOf } from "../connect/url.ts";
import { asUser, verifierOf } from "../load/loader-role.ts";

/** Bytes on the wire for each byte of the limit, before the connection is cut: one value can be as large as a gigabyte. */
const WIRE_FACTOR = 4;

export async function ask(scratch: Connection, question: Question, limits: QuestionLimits, work: Work): Promise<Answer> {
  if (!("sql" in question)) throw new LifeboatError("QUERY_REFUSED", "an aggregation is for collections: ask PostgreSQL with --query");
  const admin = await openClient(scratch, { signal: work.signal });
  try {
    const { connection, warnings, role } = await readerOf(admin);
    try {
      return { ...(await read(connection, question.sql, limits, work)), warnings };
    } finally {
      if (role !== undefined) await admin.query(`drop owned by ${role}; drop role ${role}`).catch(() => undefined); // scratch is removed
    }
  } finally {
    await admin.close();
  }
}

interface Reader {
  readonly connection: Connection;
  readonly role?: string | undefined;
  readonly warnings: readonly string[];
}

/** A login role of its own: a superuser's session could reset any other. */
const READER_MS = 3_600_000;

async function readerOf(admin: Client): Promise<Reader> {
  const [own] = await admin.query<{ name: string; super: boolean }>(
    "select rolname::pg_catalog.text as name, rolsuper as super from pg_catalog.pg_roles where rolname = current_user",
  );
  const role = `lifeboat_read_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(24).toString("base64url");
  const { database } = partsOf(admin.connection);
  // One that a crash leaves behind cannot log in for long.
  const until = new Date(Date.now() + READER_MS).toISOString();
  try {
    await admin.query("begin");
    await admin.query(
      `create role ${role} login password '${verifierOf(password)}' valid until '${until}'${own?.super === true ? " bypassrls" : ""}`,
    );
    await admin.query(`grant connect on database ${quote(database)} to ${role}`);
    const schemas = await admin.query<{ name: string }>(
      "select nspname::pg_catalog.text as name from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'",
    );
    for (const { name } of schemas) {
      await admin.query(`grant usage on schema ${quote(name)} to ${role}`);
      await admin.query(`grant select on all tables in schema ${quote(name)} to ${role}`);
    }
    await admin.query("commit");
    return { connection: asUser(admin.connection, role, password), role, warnings: [] };
  } catch (error) {
    await admin.query("rollback");
    // As a superuser nothing of the source's is run; an ordinary role of a scratch place may write only there.
    if (own?.super !== false || sqlStateOf(error) !== "42501") throw error;
    const why = "its server lets it make no role that may only read";
    return { connection: admin.connection, warnings: [`the query ran as ${own.name}, in a read-only transaction: ${why}`] };
  }
}

async function read(connection: Connection, sql: string, limits: QuestionLimits, { signal }: Work): Promise<Omit<Answer, "warnings">> {
  const path = await ordinaryPath(connection, { signal });
  // A query may change its own timeout: the clock of this process has the last word.
  const overdue = AbortSignal.timeout(limits.timeoutMs + 1000);
  const client = await openClient(connection, {
    signal: signal === undefined ? overdue : AbortSignal.any([signal, overdue]),
    statementTimeoutMs: limits.timeoutMs,
  });
  let wireBytes = 0;
  const { stream } = client.raw.connection;
  stream.on("data", (chunk: Uint8Array) => {
    wireBytes += chunk.byteLength;
    if (wireBytes > limits.sizeBytes * WIRE_FACTOR) stream.destroy();
  });
  try {
    await client.query("begin transaction read only");
    if (path.length > 0) await client.query(`set local search_path to ${path.map(quote).join(", ")}`);
    // The extended protocol takes one statement: no second one can follow the query.
    const declaration = { text: `declare lifeboat_preview no scroll cursor for ${sql}`, queryMode: "extended" };
    await client.raw.query(declaration);
    const { fields, rows } = await client.raw.query<unknown[]>({
      text: `fetch forward ${limits.rows + 1} from lifeboat_preview`,
      rowMode: "array",
    });
    const kept = firstRows(rows, limits);
    return { columns: fields.map(({ name }) => name), rows: kept, truncated: kept.length < rows.length };
  } catch (error) {
    signal?.throwIfAborted();
    const seconds = limits.timeoutMs / 1000;
    if (overdue.aborted || sqlStateOf(error) === "57014")
      throw new LifeboatError("QUERY_REFUSED", `the query took longer than ${seconds} s`);
    if (wireBytes > limits.sizeBytes * WIRE_FACTOR)
      throw new LifeboatError("QUERY_REFUSED", `the result is larger than ${limits.sizeBytes} bytes`);
    if (sqlStateOf(error) === undefined || !(error instanceof Error)) throw error;
    throw new LifeboatError("QUERY_REFUSED", `the server refused the query: ${error.message}`, { cause: error });
  } finally {
    await client.close();
  }
}
