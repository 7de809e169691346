// A MongoDB server on loopback: for tests, the demonstration, and the clusters of the Atlas emulator.
//
// It speaks the wire protocol, keeps the bytes of documents as received, and every version of them, so that the past can be
// read and restored. Where it differs from a real server is in assumptions.ts.

import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { ObjectId } from "bson";
import type { SandboxUser } from "./auth/auth-types.ts";
import { openAuthenticator } from "./auth/authenticator.ts";
import type { ServerContext } from "./command.ts";
import { configOf } from "./commands/replication.ts";
import { serveConnection } from "./connection.ts";
import { Cursors } from "./cursors.ts";
import { deleteExpired } from "./expiry.ts";
import { FaultList, type Faults } from "./faults.ts";
import { type Instant, instantOf } from "./position.ts";
import { Sessions } from "./sessions.ts";
import { type MongoState, positionFor, type StateRule, stateOf, takeOver } from "./state.ts";
import { Store } from "./store.ts";
import { Transactions } from "./transactions.ts";

export interface MongoSandboxOptions {
  /** Default: any free one. */
  readonly port?: number | undefined;
  /** Name of its replica set of one; false: a standalone server, without a log and without snapshot reads. */
  readonly replicaSet?: string | false | undefined;
  /** With users, every command but greetings requires a login. */
  readonly users?: readonly SandboxUser[] | undefined;
  readonly clock?: (() => Date) | undefined;
  /** How often an entry that changes nothing is put into the log; 0: never. */
  readonly noopEveryMs?: number | undefined;
  readonly version?: string | undefined;
  /** Its data at the start. Default: none. */
  readonly state?: MongoState | undefined;
  /** False: as a server that has no snapshot reads. */
  readonly snapshotReads?: boolean | undefined;
  /** True: it does not say which process it is (no `topologyVersion`), as FerretDB and old servers. */
  readonly anonymous?: boolean | undefined;
  /** How old a snapshot read may be. Default: 300 s. `stateAt` reaches back to the start in any case. */
  readonly historyMs?: number | undefined;
  /** How long every answer takes at least. */
  readonly latencyMs?: number | undefined;
  /** How much oplog is kept; the oldest entries are deleted. */
  readonly oplogBytes?: number | undefined;
  /** True: the log tells an update of some fields as a difference ($v: 2) where that is smaller, as a real server does; else whole documents. */
  readonly updateDiffs?: boolean | undefined;
  /** How many operations of a transaction make one oplog entry. Default: all. */
  readonly transactionEntryOps?: number | undefined;
  /** How often expired documents of TTL indexes are deleted. Default: 0, never. */
  readonly ttlEveryMs?: number | undefined;
}

export interface MongoSandbox {
  /** Without user and password, which the caller knows. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly faults: Faults;
  /** The data as it was; an instant later than now means now. Costs no copy and stays as it is. */
  stateAt(at: Date | Instant, rule: StateRule): MongoState;
  /** Replaces the server's data. Its oplog begins anew: a client that tails it is told that its position is lost. */
  setState(state: MongoState): void;
  /** Position of the newest change. */
  position(): Instant;
  /** The first position of the log; undefined without one. */
  logBegin(): Instant | undefined;
  /** Open connections. */
  connections(): number;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const DEFAULT_VERSION = "8.0.4";
const OPLOG_BYTES = 2 ** 31;
const MOST_OPS = Number.MAX_SAFE_INTEGER;

export async function startMongoSandbox(options: MongoSandboxOptions = {}): Promise<MongoSandbox> {
  const {
    replicaSet = "rs0",
    noopEveryMs = 10_000,
    version = DEFAULT_VERSION,
    historyMs = 300_000,
    latencyMs = 0,
    ttlEveryMs = 0,
  } = options;
  const clock = options.clock ?? (() => new Date());
  const store = new Store({
    clock,
    logged: replicaSet !== false,
    oplogBytes: options.oplogBytes ?? OPLOG_BYTES,
    updateDiffs: options.updateDiffs ?? false,
  });
  const cursors = new Cursors();
  const sessions = new Sessions();
  const transactions = new Transactions(store, options.transactionEntryOps ?? MOST_OPS);
  const sockets = new Set<Socket>();
  const faults = new FaultList(() => {
    for (const socket of sockets) socket.destroy();
  });
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, HOST, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const context: ServerContext = {
    store,
    cursors,
    sessions,
    transactions,
    auth: options.users === undefined || options.users.length === 0 ? undefined : openAuthenticator(options.users),
    host: HOST,
    port,
    setName: replicaSet === false ? undefined : replicaSet,
    setId: replicaSet === false ? undefined : new ObjectId(),
    version,
    processId: new ObjectId(),
    anonymous: options.anonymous ?? false,
    snapshotReads: options.snapshotReads ?? true,
    historyMs,
    startedAt: clock(),
    connections: () => sockets.size,
  };
  if (replicaSet !== false) {
    store.setConfig = () => configOf(context, replicaSet);
    store.logNoop({ msg: "initiating set" });
  }
  if (options.state !== undefined) takeOver(store, options.state);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serveConnection(socket, { context, faults, latencyMs });
  });
  const timers = [
    noopEveryMs > 0 && replicaSet !== false ? setInterval(() => store.logNoop({ msg: "periodic noop" }), noopEveryMs) : undefined,
    ttlEveryMs > 0 ? setInterval(() => deleteExpired(store), ttlEveryMs) : undefined,
  ];
  for (const timer of timers) timer?.unref();
  return {
    url: `mongodb://${HOST}:${port}/${replicaSet === false ? "?directConnection=true" : `?replicaSet=${replicaSet}`}`,
    host: HOST,
    port,
    faults,
    stateAt: (at, rule) => stateOf(store, positionFor(at, rule)),
    setState(state) {
      cursors.clear();
      sessions.clear();
      transactions.clear();
      takeOver(store, state);
    },
    position: () => instantOf(store.last),
    logBegin: () => (store.oplog.first === undefined ? undefined : instantOf(store.oplog.first.position)),
    connections: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearInterval(timer);
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
