// Reads and writes MongoDB's addresses: `mongodb://` with one host or several, and `mongodb+srv://`.
//
// The general URL parser refuses several hosts. The driver's own (`mongodb-connection-string-url`) has parts of the login in its errors and
// reads `+` as a space. A test compares.
import { hasUnencodedLogin, UNENCODED_LOGIN } from "../../../core/address.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";

/** What an address says. User, password and database are decoded; hosts and options stay as they are written. */
export interface MongoUrl {
  readonly srv: boolean;
  /** `host`, `host:port`, `[::1]:27017`, or an encoded socket path; at least one. */
  readonly hosts: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Absent: the address names none, and means all of a user's databases. */
  readonly database?: string | undefined;
  /** In order; names as written, values decoded. Some may occur more than once (`readPreferenceTags`). */
  readonly options: readonly (readonly [name: string, value: string])[];
}

const FORM = /^mongodb(\+srv)?:\/\/(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const DEFAULT_PORT = 27_017;
/** Databases of the server itself: no source, and no target. */
const OF_THE_SERVER = new Set(["admin", "local", "config"]);
const LONGEST_NAME_BYTES = 63;

/** Whether a string is meant as the address of a MongoDB server. */
export const looksLikeMongoUrl = (text: string): boolean => /^mongodb(\+srv)?:\/\//.test(text);

/** Whether a database belongs to the server itself. */
export const isServerDatabase = (name: string): boolean => OF_THE_SERVER.has(name.toLowerCase());

/** Why a name cannot be that of a database (on any system that a server runs on); undefined when it can. */
export function flawOfDatabaseName(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) return `it is longer than ${LONGEST_NAME_BYTES} bytes`;
  const odd = /[/\\. "$*<>:|?\0]/.exec(name)?.[0];
  if (odd !== undefined) return `it holds ${JSON.stringify(odd)}`;
  return isServerDatabase(name) ? "it is a database of the server itself" : undefined;
}

/** Throws CONFIG_INVALID; the message never holds the address itself, because it may hold a password. */
export function parseMongoUrl(url: string): MongoUrl {
  const match = FORM.exec(url);
  if (!match) throw invalid("it must look like mongodb://user:password@host:27017/database, odd letters written as %XX");
  const [, srv, credentials, authority = "", path = "", query = ""] = match;
  if (hasUnencodedLogin(path, query)) throw invalid(UNENCODED_LOGIN);
  const hosts = authority.split(",");
  if (hosts.some((host) => host === "")) throw invalid("one of its hosts is empty");
  for (const host of hosts) checkHost(host, srv !== undefined);
  if (srv !== undefined && hosts.length > 1) throw invalid("mongodb+srv names one host, which stands for all of them");
  const options = query
    .split(/[&;]/)
    .filter((pair) => pair !== "")
    .map((pair): readonly [string, string] => {
      const equals = pair.indexOf("=");
      if (equals < 1) throw invalid("one of its options has no value");
      return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    });
  const [user, password] = credentials === undefined ? [] : splitOnce(credentials, ":");
  const database = decode(path);
  const flaw = database === "" ? undefined : flawOfDatabaseName(database);
  if (flaw !== undefined) {
    const hint = isServerDatabase(database) ? `; to log in there, write /?authSource=${database}` : "";
    throw invalid(`"${database}" is not a valid name of a database: ${flaw}${hint}`);
  }
  return {
    srv: srv !== undefined,
    hosts,
    ...(user === undefined ? {} : { user: decode(user) }),
    ...(password === undefined ? {} : { password: decode(password) }),
    ...(database === "" ? {} : { database }),
    options,
  };
}

/** The address of these parts; reading it gives the same parts. */
export function formatMongoUrl({ srv, hosts, user, password, database, options }: MongoUrl): string {
  const login = user === undefined ? "" : `${encodeURIComponent(user)}${password === undefined ? "" : `:${encodeURIComponent(password)}`}@`;
  const query = options.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  const path = database === undefined ? "" : encodeURIComponent(database);
  return `mongodb${srv ? "+srv" : ""}://${login}${hosts.join(",")}/${path}${query === "" ? "" : `?${query}`}`;
}

/** A connection from what the user wrote. The label names server and database, never a user's password. */
export const connectionFromUrl = (url: string): Connection => connectionFromParts(parseMongoUrl(url));

export function connectionFromParts(parts: MongoUrl): Connection {
  const [first = "", ...others] = parts.hosts;
  const host = parts.srv || hasPort(first) ? first : `${first}:${DEFAULT_PORT}`;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  const user = parts.user === undefined ? "" : ` as ${parts.user}`;
  return { url: formatMongoUrl(parts), label: `${parts.database ?? "all databases"} at ${decodeSocket(host)}${more}${user}` };
}

/**
 * The same servers and user, another database, or none. The database of an address is also where its user is looked up, unless
 * it says otherwise: that place is kept.
 */
export function withDatabase(connection: Connection, database: string | undefined): Connection {
  const { database: before, ...parts } = parseMongoUrl(connection.url);
  const says = parts.options.some(([name]) => name.toLowerCase() === "authsource");
  const options =
    says || before === undefined || parts.user === undefined ? parts.options : [...parts.options, ["authSource", before] as const];
  return connectionFromParts({ ...parts, options, ...(database === undefined ? {} : { database }) });
}

/** The database that a connection names; undefined: all of a user's databases. */
export const databaseOf = (connection: Connection): string | undefined => parseMongoUrl(connection.url).database;

/** Returns the value of an option of the URL; its name is case-insensitive. */
export function optionOf(url: MongoUrl, name: string): string | undefined {
  return url.options.find(([written]) => written.toLowerCase() === name.toLowerCase())?.[1];
}

const hasPort = (host: string): boolean => /:\d+$/.test(host.replace(/^\[.*\]/, "")) || /\.sock$/i.test(host);

const decodeSocket = (host: string): string => (/\.sock(:\d+)?$/i.test(host) ? decode(host).replace(/:\d+$/, "") : host);

function checkHost(host: string, srv: boolean): void {
  const port = /:(.*)$/s.exec(host.replace(/^\[[^\]]*\]/, ""))?.[1];
  if (port === undefined) return;
  if (srv) throw invalid("mongodb+srv takes no port: the name service says which");
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65_535) throw invalid("its port must be a number from 1 to 65535");
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Without its cause: that one quotes what could not be decoded, and it may be the password.
    throw invalid("it holds a % that is not followed by two hexadecimal digits; write a literal % as %25");
  }
}

const invalid = (why: string): LifeboatError =>
  new LifeboatError("CONFIG_INVALID", `the address of a MongoDB server cannot be read: ${why}`);

/** A label without its database: the server itself. */
export const serverOf = ({ label }: Connection): string => label.slice(label.indexOf(" at ") + 4);
