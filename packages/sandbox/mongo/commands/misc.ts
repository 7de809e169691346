// What tools and shells ask beside their work.
import { type Document, Int32, Long } from "bson";
import { fullName } from "../catalog.ts";
import { type Command, collectionOf, type Handlers } from "../command.ts";
import { CommandError } from "../errors.ts";
import { int } from "../pipeline.ts";
import { sessionKey } from "../sessions.ts";
import { collectionStats, databaseStats } from "../stats.ts";

const nothing = (): Document => ({});

function buildInfo({ context }: Command): Document {
  const versionArray = context.version.split(".").map(Number);
  return {
    version: context.version,
    gitVersion: "0000000000000000000000000000000000000000",
    modules: [],
    allocator: "system",
    javascriptEngine: "none",
    sysInfo: "deprecated",
    versionArray: [...versionArray, 0],
    bits: 64,
    debug: false,
    maxBsonObjectSize: new Int32(16 * 1024 * 1024),
    storageEngines: ["wiredTiger"],
  };
}

const PARAMETERS: Document = {
  featureCompatibilityVersion: { version: "8.0" },
  authenticationMechanisms: ["SCRAM-SHA-1", "SCRAM-SHA-256"],
  minSnapshotHistoryWindowInSeconds: 300,
};

function getParameter({ body, context }: Command): Document {
  const all: Document = { ...PARAMETERS, minSnapshotHistoryWindowInSeconds: new Int32(Math.floor(context.historyMs / 1000)) };
  const asked = body.getParameter;
  if (asked === "*" || asked?.allParameters === true) return all;
  const names = Object.keys(body).filter((name) => Object.hasOwn(all, name));
  if (names.length === 0) throw new CommandError(72, "no option found to get");
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

function serverStatus({ context, store }: Command): Document {
  const uptime = Math.max(0, Math.floor((store.clock().getTime() - context.startedAt.getTime()) / 1000));
  return {
    host: `${context.host}:${context.port}`,
    version: context.version,
    process: "mongod",
    pid: Long.fromNumber(process.pid),
    uptime,
    localTime: store.clock(),
    connections: { current: context.connections(), available: 1000 },
    storageEngine: { name: "wiredTiger", supportsCommittedReads: true, persistent: true },
    metrics: { cursor: { open: { total: Long.fromNumber(context.cursors.count) } } },
    ...(context.setName === undefined ? {} : { repl: { setName: context.setName, isWritablePrimary: true, secondary: false } }),
  };
}

function endSessions({ body, context }: Command): Document {
  for (const lsid of body.endSessions ?? body.killSessions ?? []) {
    const key = sessionKey(lsid);
    if (key === undefined) continue;
    context.cursors.closeSession(key);
    context.sessions.end(key);
    context.transactions.abort(key);
  }
  return {};
}

/** Those that do run in a transaction are answered where transactions are. */
function noTransaction(): Document {
  throw new CommandError(251, "no transaction is given");
}

function listCommands(): Document {
  return { commands: {} };
}

const DATA_FIELDS = ["collections", "views", "objects", "indexes"];

function dbStats({ store, db }: Command): Document {
  const stats = databaseStats(store, db);
  return Object.fromEntries(
    Object.entries(stats).map(([name, value]) => [name, DATA_FIELDS.includes(name) ? Long.fromNumber(value) : value]),
  );
}

function collStats(command: Command): Document {
  const stats = collectionStats(command.store, command.db, collectionOf(command));
  return Object.fromEntries(Object.entries(stats).map(([name, value]) => [name, typeof value === "number" ? int(value) : value]));
}

export const MISC: Handlers = {
  ping: nothing,
  buildInfo,
  buildinfo: buildInfo,
  getParameter,
  serverStatus,
  endSessions,
  killSessions: endSessions,
  refreshSessions: nothing,
  commitTransaction: noTransaction,
  abortTransaction: noTransaction,
  startSession: ({ body }) => ({ id: body.lsid ?? {}, timeoutMinutes: 30 }),
  connectionStatus: () => ({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } }),
  usersInfo: () => ({ users: [] }),
  rolesInfo: () => ({ roles: [] }),
  whatsmyuri: () => ({ you: "127.0.0.1:0" }),
  getLog: ({ body }) => (body.getLog === "*" ? { names: ["global", "startupWarnings"] } : { totalLinesWritten: 0, log: [] }),
  getCmdLineOpts: () => ({ argv: ["mongod"], parsed: {} }),
  hostInfo: ({ context }) => ({
    system: { hostname: context.host, cpuAddrSize: 64, numCores: 1 },
    os: { type: "Linux", name: "Linux" },
    extra: {},
  }),
  currentOp: () => ({ inprog: [] }),
  fsync: ({ body }) => (body.lock === true ? { lockCount: Long.fromNumber(1), info: "now locked against writes" } : { numFiles: 1 }),
  getDefaultRWConcern: () => ({
    defaultReadConcern: { level: "local" },
    defaultWriteConcern: { w: "majority", wtimeout: 0 },
    defaultWriteConcernSource: "implicit",
    defaultReadConcernSource: "implicit",
  }),
  listCommands,
  dbStats,
  dbstats: dbStats,
  collStats,
  collstats: collStats,
};

function validate(command: Command): Document {
  const { store, db } = command;
  const name = collectionOf(command);
  const namespace = store.find(db, name);
  if (namespace === undefined) throw new CommandError(26, `Collection '${fullName(db, name)}' does not exist to validate.`);
  if (namespace.kind === "view") throw new CommandError(166, "Cannot validate a view");
  const { count, nindexes, indexSizes } = collectionStats(store, db, name);
  const indexes = Object.keys(indexSizes);
  return {
    ns: fullName(db, name),
    nInvalidDocuments: new Int32(0),
    nNonCompliantDocuments: new Int32(0),
    nrecords: int(count),
    nIndexes: int(nindexes),
    keysPerIndex: Object.fromEntries(indexes.map((index) => [index, int(count)])),
    indexDetails: Object.fromEntries(indexes.map((index) => [index, { valid: true }])),
    valid: true,
    repaired: false,
    readOnly: false,
    warnings: [],
    errors: [],
    extraIndexEntries: [],
    missingIndexEntries: [],
    corruptRecords: [],
  };
}

export const VALIDATING: Handlers = { validate };
