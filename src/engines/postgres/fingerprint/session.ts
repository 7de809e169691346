// A session with the server as the fingerprint needs it, and the settings that bound its work.
import type { Connection } from "../../../ports/connection.ts";
import { type Client, openClient } from "../connect/client.ts";

/** The part of a `pg` client that is used here. Its opener has given it an `error` listener and keep-alive. */
export interface Session {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  end(): Promise<void>;
  /** As of a `Client`. */
  readonly choosesLanguage?: boolean | undefined;
}

/** Opens one more session to the same database. */
export type OpenSession = () => Promise<Session>;

/** Sessions as the fingerprint asks them: the library's own results and errors, whose SQLSTATE it judges by itself. */
export const sessionsOf =
  (connection: Connection): OpenSession =>
  async () =>
    sessionOf(await openClient(connection));

export const sessionOf = (client: Client): Session => ({
  choosesLanguage: client.choosesLanguage,
  query: (text, values) => client.raw.query(text, values),
  end: () => client.close(),
});

/**
 * What bounds the work. What decides which objects and rows are seen, and how a value is printed, all our sessions have from their
 * startup packet (connect/settings.ts).
 */
const BOUNDS: Readonly<Record<string, string>> = {
  jit: "off",
  // Load is bounded by the number of sessions, not by the server's own parallel workers.
  max_parallel_workers_per_gather: "0",
  // A table of a terabyte may take an hour: work is bounded by the caller's signal.
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
};

/** Settings that only newer servers know, by the major version that brought them. */
const BOUNDS_SINCE: readonly { readonly major: number; readonly name: string; readonly value: string }[] = [
  // Ends the query on the server soon after its client is gone.
  { major: 14, name: "client_connection_check_interval", value: "5s" },
  { major: 14, name: "idle_session_timeout", value: "0" },
  { major: 17, name: "transaction_timeout", value: "0" },
];

/** Pins the settings for the session's life and returns the server's major version. */
export async function pinSession(session: Session, lockTimeoutMs: number): Promise<number> {
  const version = await session.query("select pg_catalog.current_setting('server_version_num')::int as n");
  const major = Math.floor(Number(version.rows[0]?.n) / 10_000);
  const settings = Object.entries(BOUNDS).concat(
    [["lock_timeout", `${lockTimeoutMs}ms`]],
    BOUNDS_SINCE.filter((setting) => setting.major <= major).map(({ name, value }) => [name, value]),
  );
  const calls = settings.map((_, i) => `pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
  await session.query(`select ${calls.join(", ")}`, settings.flat());
  return major;
}
