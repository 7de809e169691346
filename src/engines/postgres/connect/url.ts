// Reads and writes `postgres://` addresses: the form of libpq, with sockets, IPv6 and percent-encoding.
//
// The general URL parser cannot do it: it refuses `postgres://user@/db?host=/run/postgresql`. `pg-connection-string` is laxer than what is
// promised here: it repairs a wrong percent-encoding by a guess, reads the files of certificates, and prints warnings. A test compares.
import { userInfo } from "node:os";
import { hasUnencodedLogin, UNENCODED_LOGIN } from "../../../core/address.ts";
import type { Connection } from "../../../ports/connection.ts";
import { checkedParameters, invalidAddress as invalid } from "./parameters.ts";

/** What an address says, decoded. Absent parts fall back as in libpq: PGHOST and its like, then the operating system's user. */
export interface ConnectionParts {
  /** Host name, address (IPv6 without brackets), or the directory of a Unix socket (starts with `/`). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  readonly database: string;
  /** Everything else: `sslmode`, `options`, `channel_binding` … */
  readonly parameters: Readonly<Record<string, string>>;
}

const FORM = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const DEFAULT_PORT = 5432;

/** Whether a string is meant as the address of a PostgreSQL database. */
export function looksLikePostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text);
}

/** Throws CONFIG_INVALID; the message never holds the address itself, because it may hold a password. */
export function parsePostgresUrl(url: string, env: NodeJS.ProcessEnv = process.env): ConnectionParts {
  const match = FORM.exec(url);
  if (!match) throw invalid("it must look like postgres://user:password@host:5432/database");
  const [, credentials, authority = "", path = "", query = ""] = match;
  if (hasUnencodedLogin(path, query)) throw invalid(UNENCODED_LOGIN);
  const parameters: Record<string, string> = {};
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1) throw invalid("one of its parameters has no value");
    parameters[decode(pair.slice(0, equals))] = decode(pair.slice(equals + 1));
  }
  const [user, password] = credentials === undefined ? [] : splitOnce(credentials, ":");
  const [host, port] = splitHost(authority);
  const { host: hostParameter, port: portParameter, user: userParameter, password: passwordParameter, dbname, ...rest } = parameters;
  const chosenHost = first(hostParameter, host && decode(host), env.PGHOST) ?? "/var/run/postgresql";
  if (chosenHost.includes(",")) throw invalid("it names several hosts; name the one to use");
  const chosenUser = first(userParameter, user && decode(user), env.PGUSER) ?? userInfo().username;
  return {
    host: chosenHost,
    port: toPort(first(portParameter, port, env.PGPORT) ?? String(DEFAULT_PORT)),
    user: chosenUser,
    password: first(passwordParameter, password && decode(password), env.PGPASSWORD),
    database: first(dbname, path && decode(path), env.PGDATABASE) ?? chosenUser,
    parameters: checkedParameters(rest),
  };
}

/** The address of these parts; reading it gives the same parts. */
export function formatPostgresUrl(parts: ConnectionParts): string {
  const { host, port, user, password, database, parameters } = parts;
  const credentials = encodeURIComponent(user) + (password === undefined ? "" : `:${encodeURIComponent(password)}`);
  const isSocket = host.startsWith("/");
  const authority = isSocket ? "" : `${host.includes(":") ? `[${host}]` : encodeURIComponent(host)}:${port}`;
  const all = isSocket ? { host, port: String(port), ...parameters } : parameters;
  const query = Object.entries(all).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return `postgresql://${credentials}@${authority}/${encodeURIComponent(database)}${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** A connection from what the user wrote. The label names server and database, never the password. */
export function connectionFromUrl(url: string, env: NodeJS.ProcessEnv = process.env): Connection {
  return connectionFromParts(parsePostgresUrl(url, env));
}

export function connectionFromParts(parts: ConnectionParts): Connection {
  const { host, port, user, database } = parts;
  const server = host.startsWith("/") ? `${host}:${port}` : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return { url: formatPostgresUrl(parts), label: `${database} on ${server} as ${user}` };
}

export function partsOf(connection: Connection): ConnectionParts {
  return parsePostgresUrl(connection.url);
}

/** The same server and user, another database; any name will do. */
export function withDatabase(connection: Connection, database: string): Connection {
  return connectionFromParts({ ...partsOf(connection), database });
}

function splitHost(authority: string): [string | undefined, string | undefined] {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(authority);
  if (bracketed) return [bracketed[1], bracketed[2]];
  // Several hosts are refused later, as hosts; their commas must not be read as a port.
  return authority.includes(",") ? [authority, undefined] : splitOnce(authority, ":");
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

const first = (...values: (string | undefined)[]): string | undefined => values.find((value) => value !== undefined && value !== "");

function toPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw invalid(`its port must be a number from 1 to 65535`);
  return port;
}

function decode(text: string): string {
  if (/%00/.test(text)) throw invalid("it holds %00, which no name or password can");
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("it holds a % that is not followed by two hexadecimal digits; write a literal % as %25");
  }
}
