// What tools and shells ask beside their work.
import { type Document, Int32, Long } from "bson";
import { type Call, collectionOf, type Handlers } from "../call.ts";
import { MongoFault } from "../errors.ts";
import { int } from "../pipeline.ts";
import { sessionKey } from "../sessions.ts";
import { collectionStats, databaseStats } from "../stats.ts";

const nothing = (): Document => ({});

function buildInfo({ world }: Call): Document {
  const versionArray = world.version.split(".").map(Number);
  return {
    version: world.version,
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

function getParameter({ body, world }: Call): Document {
  const all: Document = { ...PARAMETERS, minSnapshotHistoryWindowInSeconds: new Int32(Math.floor(world.historyMs / 1000)) };
  const asked = body.getParameter;
  if (asked === "*" || asked?.allParameters === true) return all;
  const names = Object.keys(body).filter((name) => Object.hasOwn(all, name));
  if (names.length === 0) throw new MongoFault(72, "no option found to get");
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

function serverStatus({ world, store }: Call): Document {
  const uptime = Math.max(0, Math.floor((store.clock().getTime() - world.startedAt.getTime()) / 1000));
  return {
    host: `${world.host}:${world.port}`,
    version: world.version,
    process: "mongod",
    pid: Long.fromNumber(process.pid),
    uptime,
    localTime: store.clock(),
    connections: { current: world.connections(), available: 1000 },
    storageEngine: { name: "wiredTiger", supportsCommittedReads: true, persistent: true },
    metrics: { cursor: { open: { total: Long.fromNumber(world.cursors.count) } } },
    ...(world.setName === undefined ? {} : { repl: { setName: world.setName, isWritablePrimary: true, secondary: false } }),
  };
}

function endSessions({ body, world }: Call): Document {
  for (const lsid of body.endSessions ?? body.killSessions ?? []) {
    const key = sessionKey(lsid);
    if (key === undefined) continue;
    world.cursors.closeSession(key);
    world.sessions.end(key);
    world.transactions.abort(key);
  }
  return {};
}

/** Those that do run in a transaction are answered where transactions are. */
function noTransaction(): Document {
  throw new MongoFault(251, "no transaction is given");
}

function listCommands(): Document {
  return { commands: {} };
}

const DATA_FIELDS = ["collections", "views", "objects", "indexes"];

function dbStats({ store, db }: Call): Document {
  const stats = databaseStats(store, db);
  return Object.fromEntries(
    Object.entries(stats).map(([name, value]) => [name, DATA_FIELDS.includes(name) ? Long.fromNumber(value) : value]),
  );
}

function collStats(call: Call): Document {
  const stats = collectionStats(call.store, call.db, collectionOf(call));
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
  hostInfo: ({ world }) => ({
    system: { hostname: world.host, cpuAddrSize: 64, numCores: 1 },
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
