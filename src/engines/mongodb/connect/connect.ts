// One client of the official driver: deadlines, a name that the server's operators see, and errors in our words.
import { lookup } from "node:dns/promises";
import { type Document, MongoClient, type MongoClientOptions, type RunCommandOptions } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { isOwnDatabase } from "../scope.ts";
import { type HelloFacts, readHello } from "./hello.ts";
import { type TranslateOptions, translateMongoError } from "./translate.ts";
import { isServerDatabase, optionOf, parseMongoUrl } from "./url.ts";

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long a server is looked for, and a connection may take to come about. Default 15 s, or what the address says. */
  readonly connectTimeoutMs?: number | undefined;
  /** Connections that may be open at once. Default 8. */
  readonly poolSize?: number | undefined;
}

export interface MongoSession {
  readonly connection: Connection;
  /** The driver's own client. Its errors must go through `translate`. */
  readonly client: MongoClient;
  /** What the server said of itself at first sight. */
  readonly hello: HelloFacts;
  /** One command, its errors translated. Replies as the driver reads them by default: 64-bit integers as numbers where they fit. */
  command(database: string, command: Document, options?: RunCommandOptions): Promise<Document>;
  /** Names of a user's databases, sorted: not admin, local and config, and none of our own making. */
  databases(): Promise<string[]>;
  /** An error of the driver's as ours; the abort's reason where the signal was aborted. */
  translate(error: unknown, options?: Pick<TranslateOptions, "otherwise">): unknown;
  /** Ends every connection. Never throws; safe to call twice. */
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 2_000;
const POOL_SIZE = 8;

/**
 * Opens a client and asks the server what it is, or throws SOURCE_UNREACHABLE, SOURCE_AUTH, SOURCE_PERMISSION, CONFIG_INVALID,
 * CAPABILITY_MISSING (a server older than 4.4) or the abort's reason. When the signal aborts later, the client is closed, so that
 * all work in progress ends. A server that falls silent is noticed by the driver's own heartbeat within half a minute, and what
 * waits for it rejects: a command itself may take as long as it needs.
 */
export async function openMongo(connection: Connection, options: OpenOptions = {}): Promise<MongoSession> {
  const { signal } = options;
  signal?.throwIfAborted();
  const client = makeClient(connection, options);
  // The driver says on its own what it finds out in the background; what matters of it fails the command that needs it.
  client.on("error", () => {});
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= closeQuietly(client).finally(() => signal?.removeEventListener("abort", close));
    return closing;
  };
  signal?.addEventListener("abort", close, { once: true });
  const translate: MongoSession["translate"] = (error, more) => translateMongoError(error, connection, { signal, ...more });
  const command: MongoSession["command"] = async (database, document, commandOptions) => {
    signal?.throwIfAborted();
    try {
      return await orAborted(client.db(database).command(document, commandOptions), signal);
    } catch (error) {
      throw translate(error);
    }
  };
  try {
    await orAborted(requireKnownHost(connection), signal);
    const hello = await readHello(command);
    if (hello.serverMajor < 4 || (hello.serverMajor === 4 && hello.serverMinor < 4)) throw tooOld(connection, hello.version);
    return { connection, client, hello, command, translate, close, databases: () => listDatabases(command) };
  } catch (error) {
    await close();
    throw translate(error);
  }
}

export interface WorkOptions extends OpenOptions {
  /** Code for what the server refuses for no reason that has one of its own. */
  readonly otherwise?: TranslateOptions["otherwise"];
}

/** Opens a client for the length of one piece of work. */
export async function withMongo<T>(connection: Connection, options: WorkOptions, act: (session: MongoSession) => Promise<T>): Promise<T> {
  const session = await openMongo(connection, options);
  try {
    return await act(session);
  } catch (error) {
    throw session.translate(error, { otherwise: options.otherwise });
  } finally {
    await session.close();
  }
}

/** Rejects as soon as the signal aborts: a server that is silent does not even let go of a connection that is being made. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** The driver keeps looking up unknown host names until its time is over; here such a name is an error at once. */
async function requireKnownHost(connection: Connection): Promise<void> {
  const { srv, hosts } = parseMongoUrl(connection.url);
  if (srv) return; // looked up by the driver, which fails at once
  const names = hosts.map((host) => host.replace(/:\d+$/, "")).filter((host) => !/[%[]/.test(host));
  if (names.length < hosts.length) return;
  const failures = await Promise.all(
    names.map((name) =>
      lookup(name).then(
        () => undefined,
        (error: NodeJS.ErrnoException) => (error.code === "ENOTFOUND" ? error : undefined),
      ),
    ),
  );
  const [first] = failures;
  if (first !== undefined && failures.every((error) => error !== undefined)) throw translateMongoError(first, connection);
}

function makeClient(connection: Connection, options: OpenOptions): MongoClient {
  const url = parseMongoUrl(connection.url);
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const unlessSaid = (name: string, value: number): MongoClientOptions => (optionOf(url, name) === undefined ? { [name]: value } : {});
  try {
    return new MongoClient(connection.url, {
      appName: "lifeboat",
      ...unlessSaid("serverSelectionTimeoutMS", timeoutMs),
      ...unlessSaid("connectTimeoutMS", timeoutMs),
      waitQueueTimeoutMS: 120_000,
      maxPoolSize: options.poolSize ?? POOL_SIZE,
      // Callers decide what is repeated: a retry of the driver would hide the first failure.
      retryReads: false,
      retryWrites: false,
      // Names and shapes of documents are a user's: nothing of them goes into logs.
      mongodbLogPath: { write: () => {} },
    });
  } catch (error) {
    throw translateMongoError(error, connection);
  }
}

/** Reads names only, and those that this user may see: `listDatabases` without that needs a privilege that a backup does not. */
async function listDatabases(command: MongoSession["command"]): Promise<string[]> {
  const reply = await command("admin", { listDatabases: 1, nameOnly: true, authorizedDatabases: true });
  const names = (reply.databases as { name: string }[]).map(({ name }) => name);
  return names.filter((name) => !isServerDatabase(name) && !isOwnDatabase(name)).sort();
}

function tooOld(connection: Connection, version: string): LifeboatError {
  return new LifeboatError("CAPABILITY_MISSING", `the server of ${connection.label} is MongoDB ${version}, older than 4.4`, {
    hint: "upgrade the server to MongoDB 4.4 or newer",
  });
}

async function closeQuietly(client: MongoClient): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
  // A client whose server is gone is as closed as it can be.
  await Promise.race([client.close(true).catch(() => {}), late]);
  clearTimeout(timer);
}
