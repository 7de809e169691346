// Translates errors of the server, the network and the driver.
import { MongoServerError } from "mongodb";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { parseMongoUrl } from "./url.ts";

type Meaning = readonly [ErrorCode, string];

const AWAY: Meaning = ["SOURCE_UNREACHABLE", "the server ended or refused the connection to"];
const LATE: Meaning = ["SOURCE_UNREACHABLE", "the server gave up a command that took too long:"];
const LOGIN: Meaning = ["SOURCE_AUTH", "the server refused the login to"];
const CHANGED: Meaning = ["SOURCE_CHANGED", "a collection was dropped, renamed or emptied while it was read from"];
const FORGOTTEN: Meaning = ["SNAPSHOT_TOO_OLD", "the server no longer has, or cannot give, one snapshot for all of"];

/** Numbers of server errors (src/mongo/base/error_codes.yml) → what they mean to the user, in words that go before the label. */
const BY_NUMBER: Readonly<Record<number, Meaning>> = {
  6: AWAY,
  7: AWAY,
  11: LOGIN,
  13: ["SOURCE_PERMISSION", "permission is missing in"],
  18: LOGIN,
  43: ["SOURCE_CHANGED", "the server forgot a cursor while it was read from"],
  50: LATE,
  89: AWAY,
  91: AWAY,
  133: AWAY,
  136: CHANGED,
  175: CHANGED,
  189: AWAY,
  202: LATE,
  237: ["SOURCE_CHANGED", "a cursor was killed while it was read"],
  239: FORGOTTEN,
  246: FORGOTTEN,
  262: LATE,
  334: LOGIN,
  9001: AWAY,
  10107: AWAY,
  11600: AWAY,
  11602: AWAY,
  13435: AWAY,
  13436: AWAY,
  14031: ["DISK_FULL", "the disk is full on the server of"],
};
/** Atlas says everything of its own with one number: a wrong password, and what a user or a tier may not do. */
const ATLAS = 8000;

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host name is not known",
  ENODATA: "the name service lists no servers under that name",
  ESERVFAIL: "the name server could not answer",
  EREFUSED: "the name server refused to answer",
  EAI_AGAIN: "the name server did not answer",
  ETIMEOUT: "the name server did not answer",
  ETIMEDOUT: "it did not answer in time",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to its network",
  ENOENT: "there is no such socket",
  EACCES: "the socket may not be opened by this user",
  EPROTO: "one side speaks TLS and the other does not, or another version of it",
};

/** Where only words tell, as those of TLS and of the driver. */
const BY_TEXT: readonly (readonly [RegExp, string])[] = [
  [/certificate|self.signed|altnames?\b|unable to (verify|get)/i, "the server's certificate is not trusted"],
  [/SSL routines|wrong version number|TLS/i, "one side speaks TLS and the other does not, or another version of it"],
  [/timed out|timeout/i, "it did not answer in time"],
  [/closed|interrupted|connection .* (cleared|destroyed)|pool|topology was destroyed|hang up/i, "the connection was cut"],
];

export interface TranslateOptions {
  /** When it has been aborted, its reason is the first cause: it is what comes back. */
  readonly signal?: AbortSignal | undefined;
  /** Code for a server's error that means nothing special: DUMP_FAILED of a dump, LOAD_FAILED of a load. Absent: it comes back as it is. */
  readonly otherwise?: ErrorCode | undefined;
}

/** Translates the error of a failed connection or command. An unexpected error is returned unchanged: it is a bug. */
export function translateMongoError(error: unknown, connection: Connection, options: TranslateOptions = {}): unknown {
  if (options.signal?.aborted) return options.signal.reason;
  if (error instanceof LifeboatError || !(error instanceof Error)) return error;
  const words = withoutSecrets(error.message, connection);
  const cause = words === error.message ? error : undefined;
  const say = (code: ErrorCode, message: string): LifeboatError =>
    new LifeboatError(code, message, {
      cause,
      details: numberOf(error) === undefined ? {} : { serverCode: numberOf(error) },
      ...(code === "DISK_FULL" ? { hint: "free space on the server's disk, then run it again" } : {}),
    });
  // Of a server that was looked for in vain, and of several addresses, the inner errors tell the story.
  const inner = innerErrors(error);
  for (const each of inner) {
    const told = translateMongoError(each, connection, { ...options, otherwise: undefined });
    if (told instanceof LifeboatError) return told;
  }
  const known = BY_NUMBER[numberOf(error) ?? -1] ?? atlasMeaning(error);
  if (known !== undefined) return say(known[0], `${known[1]} ${connection.label}: ${words}`);
  if (error.name === "MongoCompatibilityError") {
    return new LifeboatError("CAPABILITY_MISSING", `the server of ${connection.label} is too old or too new: ${words}`, {
      cause,
      hint: "MongoDB 4.4 and newer are spoken to; upgrade the server",
    });
  }
  if (isConfiguration(error)) return say("CONFIG_INVALID", `the address of ${connection.label} cannot be used: ${words}`);
  const why = networkWords(error);
  if (why !== undefined) return say("SOURCE_UNREACHABLE", `cannot reach ${connection.label}: ${why}`);
  if (error.name === "MongoServerSelectionError") {
    return say("SOURCE_UNREACHABLE", `cannot reach ${connection.label}: no server there is of the kind that the address asks for`);
  }
  if (options.otherwise !== undefined && error.name.startsWith("Mongo")) return say(options.otherwise, `${connection.label}: ${words}`);
  return error;
}

/** The number of a server's error, if it, or its cause, came from the server. */
export function serverCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  return numberOf(error) ?? serverCodeOf(error.cause);
}

/** A text of the driver's or server's without the password of the connection, in any of the forms it could have there. */
export function withoutSecrets(text: string, connection: Connection): string {
  const password = passwordOf(connection);
  let clean = text.replaceAll(connection.url, connection.label);
  if (password !== undefined && password !== "") {
    for (const form of new Set([password, encodeURIComponent(password)])) clean = clean.replaceAll(form, "…");
  }
  return clean.replaceAll(/\b(mongodb(?:\+srv)?:\/\/)[^@\s/]*@/g, "$1…@");
}

function passwordOf(connection: Connection): string | undefined {
  try {
    return parseMongoUrl(connection.url).password;
  } catch {
    // An address that cannot be read is reported as that; here there is then nothing to look for.
    return undefined;
  }
}

const numberOf = (error: Error): number | undefined => {
  const { code } = error as { code?: unknown };
  return typeof code === "number" ? code : undefined;
};

function atlasMeaning(error: Error): Meaning | undefined {
  if (numberOf(error) !== ATLAS) return undefined;
  if (/auth/i.test(error.message) && !/authorized/i.test(error.message)) return LOGIN;
  return ["SOURCE_PERMISSION", "Atlas refuses that in"];
}

/** Errors inside an error: what the servers said while one was looked for, and what each address of a name said. */
function innerErrors(error: Error): readonly unknown[] {
  if (error instanceof AggregateError) return error.errors;
  const servers = (error as { reason?: { servers?: ReadonlyMap<string, { error?: unknown }> } }).reason?.servers;
  const said = servers === undefined ? [] : [...servers.values()].map((server) => server.error).filter((each) => each instanceof Error);
  // A driver's error wraps that of the network; a server's own is told by its number.
  return error instanceof MongoServerError || error.cause === undefined ? said : [...said, error.cause];
}

const CONFIGURATION = new Set([
  "MongoParseError",
  "MongoInvalidArgumentError",
  "MongoMissingCredentialsError",
  "MongoMissingDependencyError",
]);

function isConfiguration(error: Error): boolean {
  if (CONFIGURATION.has(error.name)) return true;
  // Files named in the address: authorities and keys.
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  return (syscall === "open" && typeof code === "string") || (syscall === "read" && code === "EISDIR"); // a socket's reads fail too
}

function networkWords(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  const known = typeof code === "string" ? NETWORK[code] : undefined;
  if (known !== undefined) return known;
  const ofTheNetwork =
    /^Mongo(Network|ServerSelection|Pool|WaitQueue|ClientClosed|TopologyClosed|NotConnected|ServerClosed|OperationTimeout)/;
  const ofTls = typeof code === "string" && /^(ERR_(SSL|TLS|OSSL)|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(code);
  if (!ofTls && !ofTheNetwork.test(error.name)) return undefined;
  return (
    BY_TEXT.find(([pattern]) => pattern.test(error.message))?.[1] ??
    (error.name === "MongoServerSelectionError" ? undefined : "the connection was cut")
  );
}

/** Returns whether the server refused one command, for lack of a right or otherwise, and can be asked further. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof MongoServerError || isLifeboatError(error, "SOURCE_PERMISSION");
