// What the configuration knows of PostgreSQL. Nothing of the engine is loaded by it.
import { addressOf, bytes, flag, path, text } from "../../core/option-types.ts";
import type { EngineDescriptor } from "../../ports/descriptor.ts";

const SCHEMES = ["postgres://", "postgresql://"];

export const POSTGRES: EngineDescriptor = {
  name: "postgres",
  schemes: SCHEMES,
  foreignChecks: { aggregate: "use `sql`", collection: "use `table`" },
  tools: {
    type: path,
    env: "LIFEBOAT_POSTGRES_BIN",
    help: "Folder with pg_dump, pg_restore and psql; without it, the usual places are searched for the right version.",
    example: "/usr/lib/postgresql/17/bin",
  },
  archive: {
    slot: { type: text, help: "Replication slot of the log archive. Default: `lifeboat_` and the source's name." },
    maxBehind: {
      type: bytes,
      as: "maxBehindBytes",
      help: "How much WAL the server may retain before the slot is given up, so that its disk never fills. Default: 8GB.",
      example: "8GB",
    },
  },
  async readAddress(url) {
    (await import("./connect/url.ts")).connectionFromUrl(url);
  },
};

/** Options of every source of this engine. */
export const POSTGRES_OPTIONS = {
  rolePasswords: {
    type: flag,
    default: false,
    help: "Full backups hold the password hashes of the roles too. It takes a superuser, or a role that may read pg_authid.",
  },
} as const;

export const postgresUrl = addressOf(SCHEMES);

/** Examples of checks, as `init` writes them. */
export const SQL_CHECKS = [
  "{ table: users, rows: { min: 1 } }",
  "{ table: orders, newest: created_at, within: 1d }",
  '{ sql: "select count(*) > 0 from projects" }',
];
