// One connection for queries, over the `pg` library: same host, user, password and TLS as the programs get, same pinned settings.
import pg from "pg";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { watchLogin } from "./login.ts";
import { type SslMode, sslModeOf } from "./parameters.ts";
import { clientOptions, ENGLISH, PINNED } from "./settings.ts";
import { tlsOptions } from "./tls.ts";
import { passedOver, sqlStateOf, translateError, translateLogin } from "./translate.ts";
import { type ConnectionParts, partsOf } from "./url.ts";

export interface ClientOptions {
  readonly signal?: AbortSignal | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** The server ends a statement that takes longer; absent: no limit but the signal. */
  readonly statementTimeoutMs?: number | undefined;
  readonly applicationName?: string | undefined;
  /** A session that also takes the commands of replication; statements without parameters only. */
  readonly replication?: boolean | undefined;
}

export type Row = Record<string, unknown>;

export interface Client {
  readonly connection: Connection;
  /** As 150004. */
  readonly serverVersionNumber: number;
  /** The server process that answered first; differs from the announced one behind a proxy or pooler. */
  readonly backendPid: number;
  readonly announcedPid: number;
  /** Whether the role may choose, for its session, the language of the server's messages. */
  readonly choosesLanguage: boolean;
  /** Rows as objects. 64-bit integers, numerics and instants come as the server writes them: strings. Errors are translated. */
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** The library's own client, for cursors and streams. Its errors must go through `translateError`. */
  readonly raw: pg.Client;
  /** Ends the connection. Never throws; safe to call twice. */
  close(): Promise<void>;
}

/** The oldest major version with the types of the catalog that definitions are read by, and with manifests of base backups. */
const FIRST_MAJOR = 13;
const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** Dates stay text: the library's own reading of them would pass through the local time zone and lose microseconds. */
const AS_TEXT = new Set([1082, 1083, 1114, 1184, 1266, 1186]);
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    AS_TEXT.has(oid) ? (value: string) => value : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
};

/**
 * Opens a connection, or throws SOURCE_UNREACHABLE, SOURCE_AUTH, SOURCE_PERMISSION, SOURCE_POOLED, CONFIG_INVALID, CAPABILITY_MISSING (a server
 * that is too old) or the abort's reason.
 * When the signal aborts later, the connection is cut: the statement under way rejects with the abort's reason, and the server
 * cancels it as soon as it sees that the connection is closed.
 */
export async function openClient(connection: Connection, options: ClientOptions = {}): Promise<Client> {
  const parts = partsOf(connection);
  options.signal?.throwIfAborted();
  const raw = await connectByMode(connection, parts, { ...options, startup: clientOptions(parts.parameters.options) });
  return await introduce(raw, connection, options);
}

/**
 * The schemas in which an ordinary session of this role looks for a name without one, in order. Asked in such a session, the only one
 * without our settings; neither of its two statements resolves a name.
 */
export async function ordinaryPath(connection: Connection, options: ClientOptions = {}): Promise<string[]> {
  const parts = partsOf(connection);
  options.signal?.throwIfAborted();
  const raw = await connectByMode(connection, parts, { ...options, startup: parts.parameters.options });
  const onAbort = (): void => cut(raw);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const path: string = (await raw.query("show search_path")).rows[0]?.search_path ?? "";
    const user: string = (await raw.query('select current_user as "user"')).rows[0]?.user ?? "";
    const schemas = path.match(/"(?:[^"]|"")*"|[^\s,]+/g) ?? [];
    const names = schemas.map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name));
    return names.map((name) => (name === "$user" ? user : name));
  } catch (error) {
    throw options.signal?.aborted ? options.signal.reason : translateError(error, connection);
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    await closeQuietly(raw);
  }
}

interface ConnectOptions extends ClientOptions {
  /** The session's settings, as the server's command line has them. */
  readonly startup: string | undefined;
}

async function connectByMode(connection: Connection, parts: ConnectionParts, options: ConnectOptions): Promise<pg.Client> {
  const mode = sslModeOf(parts);
  // `allow` starts without TLS and `prefer` with it; both fall back to the other, as in libpq.
  const attempts: SslMode[] = mode === "prefer" ? ["require", "disable"] : mode === "allow" ? ["disable", "require"] : [mode];
  let failure: unknown;
  for (const attempt of attempts) {
    try {
      return await connect(connection, parts, attempt, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      // What the server itself refuses is the cause, not that TLS was tried first in vain.
      if (failure === undefined || sqlStateOf(failure) === undefined) failure = error;
      if (!mayTryOtherMode(error)) throw translateLogin(error, connection);
    }
  }
  throw translateLogin(failure, connection);
}

/** Only what TLS itself decides is worth a second attempt; a wrong password or a silent host is not. */
function mayTryOtherMode(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return /does not support SSL|SSL|TLS/i.test(message ?? "") || code === "28000";
}

async function connect(connection: Connection, parts: ConnectionParts, mode: SslMode, options: ConnectOptions): Promise<pg.Client> {
  // Zero or less means no limit, as in libpq.
  const timeoutMs = options.connectTimeoutMs ?? Math.max(0, Number(parts.parameters.connect_timeout ?? CONNECT_TIMEOUT_MS / 1000)) * 1000;
  const login = watchLogin(parts, connection);
  const client = new pg.Client({
    host: parts.host,
    port: parts.port,
    user: parts.user,
    database: parts.database,
    password: login.password,
    ssl: tlsOptions(parts, mode === "disable" ? mode : sslModeOf(parts)),
    sslnegotiation: mode !== "disable" && parts.parameters.sslnegotiation === "direct" ? "direct" : "postgres",
    enableChannelBinding: (parts.parameters.channel_binding ?? "prefer") !== "disable",
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    application_name: options.applicationName ?? "lifeboat",
    // `database`: ordinary statements work too, and the server's access rules are those of the database.
    ...(options.replication ? { replication: "database" } : {}),
    ...(options.startup === undefined ? {} : { options: options.startup }),
    types,
  });
  login.watch(client);
  // Without a listener, a connection that breaks while idle would end the whole process. The next query reports it.
  client.on("error", () => {});
  const onAbort = (): void => cut(client);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await client.connect();
    login.confirm();
    return client;
  } catch (error) {
    cut(client);
    throw options.signal?.aborted ? options.signal.reason : error;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function introduce(raw: pg.Client, connection: Connection, options: ClientOptions): Promise<Client> {
  const { signal } = options;
  const waiting = new Set<(reason: unknown) => void>();
  const onAbort = (): void => {
    cut(raw);
    for (const reject of waiting) reject(signal?.reason);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  let closing: Promise<void> | undefined;

  const query = async <R extends Row>(sql: string, values?: readonly unknown[]): Promise<R[]> => {
    signal?.throwIfAborted();
    const gone = Promise.withResolvers<never>();
    waiting.add(gone.reject);
    try {
      const result = await Promise.race([values === undefined ? raw.query(sql) : raw.query(sql, [...values]), gone.promise]);
      // Several statements in one text give several results; the last one is the answer.
      const last: pg.QueryResult = Array.isArray(result) ? result.at(-1) : result;
      return last.rows as R[];
    } catch (error) {
      throw signal?.aborted ? signal.reason : translateError(error, connection);
    } finally {
      waiting.delete(gone.reject);
    }
  };
  const close = (): Promise<void> => {
    closing ??= closeQuietly(raw).finally(() => signal?.removeEventListener("abort", onAbort));
    return closing;
  };

  try {
    const [facts] = await query<{ pid: number; version: string; superuser: string; path: string; standby: boolean }>(
      `select pg_catalog.pg_backend_pid() as pid, pg_catalog.current_setting('server_version_num') as version,
         pg_catalog.pg_is_in_recovery() as standby,
         pg_catalog.current_setting('is_superuser') as superuser, pg_catalog.current_setting('search_path') as path`,
    );
    if (!facts) throw new LifeboatError("SOURCE_UNREACHABLE", `${connection.label} did not say what it is`);
    // A pooler that ignores unknown settings would resolve every name by the search path of the database's owner.
    if (facts.path !== PINNED.search_path) throw passedOver(connection);
    if (Number(facts.version) < FIRST_MAJOR * 10_000) throw tooOld(connection, Number(facts.version));
    refuseRole(connection, facts.standby);
    const announcedPid = (raw as unknown as { processID: number | null }).processID ?? 0;
    const client: Client = {
      connection,
      serverVersionNumber: Number(facts.version),
      backendPid: facts.pid,
      announcedPid,
      choosesLanguage: facts.superuser === "on" && announcedPid === facts.pid,
      query,
      raw,
      close,
    };
    // Behind a pooler a setting would stay with the server's process, for strangers to find.
    if (announcedPid === facts.pid) await settle(client, options, facts.superuser === "on");
    return client;
  } catch (error) {
    await close();
    throw error;
  }
}

function tooOld(connection: Connection, version: number): LifeboatError {
  return new LifeboatError(
    "CAPABILITY_MISSING",
    `${connection.label} is PostgreSQL ${Math.floor(version / 10_000)}, and ${FIRST_MAJOR} is the oldest that can be backed up, compared and restored`,
    { hint: `update the server to ${FIRST_MAJOR} or newer; until then, use its own pg_dump` },
  );
}

/** `target_session_attrs`, as a program of PostgreSQL judges it beside our settings. */
function refuseRole(connection: Connection, standby: boolean): void {
  const asked = partsOf(connection).parameters.target_session_attrs ?? "any";
  const wants = { "read-write": false, primary: false, "read-only": true, standby: true }[asked];
  if (wants === undefined || wants === standby) return;
  const is = standby ? "a standby" : "not a standby";
  throw new LifeboatError("SOURCE_UNREACHABLE", `${connection.label} is ${is}, and target_session_attrs asks for ${asked}`, {
    hint: "name the other server in the address, or leave target_session_attrs out",
  });
}

async function settle(client: Client, options: ClientOptions, superuser: boolean): Promise<void> {
  if (options.statementTimeoutMs !== undefined) await client.query(`set statement_timeout = ${Math.ceil(options.statementTimeoutMs)}`);
  if (superuser) await client.query(`set lc_messages = '${ENGLISH}'`);
  if (client.serverVersionNumber < 140_000) return;
  // Unknown to older servers and forbidden to others, so it cannot travel in the startup packet. Only superusers make event triggers.
  if (client.serverVersionNumber >= 170_000 && superuser && !options.replication) await client.query("set event_triggers = off");
  // Has the server notice within seconds that we are gone, instead of at the end of a long statement.
  // Only some operating systems can; where it cannot, nothing depends on it.
  await client.query("set client_connection_check_interval = '2s'").catch((error: unknown) => {
    if (error instanceof LifeboatError) throw error;
  });
}

function cut(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  connection.stream.destroy();
}

async function closeQuietly(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => cut(client), CLOSE_TIMEOUT_MS);
  // A connection that is already broken is as closed as it can be.
  await client.end().catch(() => cut(client));
  clearTimeout(timer);
}
