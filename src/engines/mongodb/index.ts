// What the configuration knows of MongoDB. Nothing of the engine is loaded by it.
import { listOf } from "../../core/option.ts";
import { addressOf, oneOf, path, text } from "../../core/option-types.ts";
import type { EngineDescriptor } from "../../ports/descriptor.ts";

const SCHEMES = ["mongodb://", "mongodb+srv://"];

export const MONGODB: EngineDescriptor = {
  name: "mongodb",
  schemes: SCHEMES,
  foreignChecks: { sql: "use `collection` and `aggregate`" },
  tools: {
    type: path,
    env: "LIFEBOAT_MONGODB_BIN",
    help: "Folder with mongod, which drills of MongoDB restore into where no scratch server is named; without it, the PATH is searched. Nothing else of MongoDB's is used.",
    example: "/opt/mongodb/bin",
  },
  archive: {},
  async readAddress(url) {
    (await import("./connect/url.ts")).connectionFromUrl(url);
  },
};

export const mongoUrl = addressOf(SCHEMES);

/** Options of every source of this engine. */
export const MONGODB_OPTIONS = {
  databases: {
    type: listOf(text),
    default: [],
    help: "Only these databases of the server or cluster; empty: all, without admin, local and config.",
    example: "[shop, sessions]",
  },
  consistency: {
    type: oneOf(["auto", "snapshot", "oplog", "none"]),
    help: "How a dump is made one instant: by a snapshot of the server, by the oplog that was written meanwhile, or not at all. Default: `auto`, the best that the server offers.",
  },
} as const;

/** Whether an address names a database. */
export const namesDatabase = (url: string): boolean => /^[^:]+:\/\/[^/]+\/[^?]/.test(url);

/** Examples of checks, as `init` writes them. */
export const collectionChecks = (database = ""): string[] => [
  `{ collection: ${database}users, rows: { min: 1 } }`,
  `{ collection: ${database}orders, newest: createdAt, within: 1d }`,
  `{ collection: ${database}projects, aggregate: '[{ "$count": "n" }, { "$project": { "ok": { "$gt": ["$n", 0] } } }]' }`,
];
