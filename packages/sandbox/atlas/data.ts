// The data behind a cluster: a server that speaks MongoDB's protocol and can be made unreachable, and what it held before restores.
import { createServer, type Server } from "node:net";
import { deserialize } from "bson";
import { type Db, MongoClient } from "mongodb";
import { type MongoSandbox, startMongoSandbox } from "../mongo/sandbox.ts";
import type { MongoState } from "../mongo/state.ts";
import type { CollectionContents } from "./contents.ts";
import type { TargetPoint } from "./target-point.ts";

export type { MongoState };

export interface DataRequest {
  readonly replicaSet: string;
  readonly version: string;
  readonly state: MongoState | undefined;
}

export interface DataOptions {
  readonly users: readonly { readonly user: string; readonly password: string }[];
  readonly clock: () => Date;
  readonly noopEveryMs?: number | undefined;
  /** How many logins new data refuses at first. */
  readonly strange?: (() => number) | undefined;
}

export interface DataFactory {
  /** `port`: of the first cluster. Default: any free one. */
  start(requested: DataRequest, port?: number): Promise<ClusterData>;
}

export function dataFactory(options: DataOptions): DataFactory {
  return {
    async start(requested, port) {
      const data = new ClusterData(options, requested);
      await data.begin(port, requested.state);
      return data;
    },
  };
}

const NOT_KNOWN_YET = { kind: "error", code: 18, message: "Authentication failed." } as const;

/** A clock that was read a moment ago still says the present. */
const PRESENT_MS = 1500;

/** A server, and the instant at which it began. */
interface Held {
  readonly server: MongoSandbox;
  readonly beganAt: Date;
  readonly began: ReturnType<MongoSandbox["position"]>;
}

export class ClusterData {
  readonly #options: DataOptions;
  readonly #requested: DataRequest;
  #held: Held | undefined;
  #port = 0;
  /** Servers whose data restores replaced: their past can still be read. */
  readonly #past: (Held & { readonly until: Date })[] = [];
  /** Holds the port while there is no server. */
  #guard: Server | undefined;
  #shuts = 0;

  constructor(options: DataOptions, requested: DataRequest) {
    this.#options = options;
    this.#requested = requested;
  }

  async begin(port: number | undefined, state: MongoState | undefined): Promise<void> {
    const { users, clock, noopEveryMs, strange } = this.#options;
    const { replicaSet, version } = this.#requested;
    const server = await startMongoSandbox({ port, replicaSet, version, users, clock, noopEveryMs, state });
    const refused = strange?.() ?? 0;
    if (refused > 0) server.faults.next({ command: "saslContinue", times: refused, effect: NOT_KNOWN_YET });
    this.#held = { server, beganAt: clock(), began: server.position() };
    this.#port = server.port;
  }

  /** The server with the present data. */
  get server(): MongoSandbox {
    if (this.#held === undefined) throw new Error("the cluster is being restored: it has no data now");
    return this.#held.server;
  }

  /** The same, where there is one: not while it is being restored. */
  get present(): MongoSandbox | undefined {
    return this.#held?.server;
  }

  /** `host:port`; the same for the cluster's whole life. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The data as of an instant that is now, or was; undefined while there is none. */
  stateAt(at: Date | TargetPoint): MongoState | undefined {
    const instant = at instanceof Date ? at : at.end;
    const isPresent = at instanceof Date && this.#options.clock().getTime() - at.getTime() < PRESENT_MS;
    const held = isPresent ? this.#held : (this.#past.find((each) => instant <= each.until) ?? this.#held);
    if (held === undefined) return undefined;
    const { server, beganAt, began } = held;
    if (isPresent) return server.stateAt(server.position(), "through");
    // a clock that jumped over a restore has instants at which the server was not there yet, but its data was
    if (!(at instanceof Date) && at.kind === "oplog") {
      // compared as a position: its second may have begun before the server did
      const isEarlier = at.t < began.t || (at.t === began.t && at.i < began.i);
      return server.stateAt(isEarlier ? began : { t: at.t, i: at.i }, "through");
    }
    if (instant < beganAt) return server.stateAt(began, "through");
    return server.stateAt(instant, "before");
  }

  /** Drops all connections and refuses commands, until as many calls of `open` came. */
  async shut(): Promise<void> {
    if (++this.#shuts === 1 && this.#held !== undefined) shutDoor(this.#held.server, () => this.#shuts > 0);
  }

  async open(): Promise<void> {
    this.#shuts = Math.max(0, this.#shuts - 1);
  }

  /** Deletes what it holds, as of an instant; no client is answered before `fill`. */
  async wipe(at: Date): Promise<void> {
    const old = this.#held;
    if (old === undefined) return;
    this.#held = undefined;
    this.#past.push({ ...old, until: at });
    await old.server.close();
    this.#guard = await guardPort(this.#port);
  }

  /** Sets the data that it holds; undefined: none. */
  async fill(state: MongoState | undefined): Promise<void> {
    await endGuard(this.#guard);
    this.#guard = undefined;
    await this.begin(this.#port, state);
    if (this.#shuts > 0) shutDoor(this.server, () => this.#shuts > 0);
  }

  /** False when the collection exists and may not be overwritten. */
  async putCollection(request: PutRequest): Promise<boolean> {
    return putCollection(this.server.url, this.#options.users[0], request);
  }

  async close(): Promise<void> {
    await endGuard(this.#guard);
    await this.#held?.server.close();
  }
}

/** Unreachable by the server's own faults: every command breaks its connection. */
function shutDoor(server: MongoSandbox, isShut: () => boolean): void {
  class Shut extends RegExp {
    override test(): boolean {
      return isShut();
    }
  }
  server.faults.next({ command: new Shut(""), times: Number.POSITIVE_INFINITY, effect: { kind: "dropBefore" } });
  server.faults.dropConnections();
}

/** Keeps other processes from taking the port; a client that connects is disconnected. */
async function guardPort(port: number): Promise<Server> {
  const guard = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => guard.once("error", reject).listen(port, "127.0.0.1", resolve));
  return guard;
}

const endGuard = (guard: Server | undefined): Promise<void> =>
  new Promise((resolve) => (guard === undefined ? resolve() : guard.close(() => resolve())));

// One collection of a snapshot, written into a running server as a client would: its log tells of it.

export interface PutRequest {
  readonly db: string;
  readonly name: string;
  readonly contents: CollectionContents;
  readonly indexes: CollectionContents["indexes"];
  /** Drop a collection of that name. */
  readonly overwrite: boolean;
}

const BATCH = 1000;
const TYPED = { promoteValues: false, bsonRegExp: true } as const;

/** False when the collection exists and may not be overwritten. */
export async function putCollection(
  url: string,
  user: { readonly user: string; readonly password: string } | undefined,
  request: PutRequest,
): Promise<boolean> {
  const auth = user === undefined ? {} : { auth: { username: user.user, password: user.password }, authSource: "admin" };
  const client = new MongoClient(url, { ...auth, serverSelectionTimeoutMS: 10_000 });
  try {
    const db = client.db(request.db);
    const isThere = (await db.listCollections({ name: request.name }).toArray()).length > 0;
    if (isThere && !request.overwrite) return false;
    if (isThere) await db.dropCollection(request.name);
    await fill(db, request);
    return true;
  } finally {
    await client.close();
  }
}

async function fill(db: Db, { name, contents, indexes }: PutRequest): Promise<void> {
  await db.command({ create: name, ...contents.options });
  const collection = db.collection(name);
  let batch: object[] = [];
  for (const bytes of contents.documents()) {
    batch.push(deserialize(bytes, TYPED));
    if (batch.length < BATCH) continue;
    await collection.insertMany(batch, { ordered: true, ignoreUndefined: false, bypassDocumentValidation: true });
    batch = [];
  }
  if (batch.length > 0) await collection.insertMany(batch, { ignoreUndefined: false, bypassDocumentValidation: true });
  const more = indexes.filter((index) => index.name !== "_id_");
  if (more.length > 0) await db.command({ createIndexes: name, indexes: more });
}
