// Options of `drills`, `tools` and `scratch`.
import { listOf, section } from "../../core/option.ts";
import { oneOf, path, text } from "../../core/option-types.ts";
import { cron, namePattern } from "../types-time.ts";

export const drill = section({
  sources: { type: listOf(text), required: true, help: "Sources that this drill restores.", example: "[shop]" },
  cron: {
    type: cron,
    help: "When it is due, in UTC; `0#1` is the first Sunday. `lifeboat drill --due`, from cron, runs it; `status` says when it is overdue.",
    example: '"0 6 * * 0#1"',
  },
  to: { type: text, default: "latest", help: "Recovery target: `latest`, a time, a restore point, or so long ago.", example: '"-7d"' },
  name: { type: namePattern, help: "Name pattern of its runs.", example: '"drill-{month}"' },
});

export const tools = section({
  postgres: {
    type: path,
    env: "LIFEBOAT_POSTGRES_BIN",
    help: "Folder with pg_dump, pg_restore and psql; without it, the usual places are searched for the right version.",
    example: "/usr/lib/postgresql/17/bin",
  },
  mongodb: {
    type: path,
    env: "LIFEBOAT_MONGODB_BIN",
    help: "Folder with mongod, which drills of MongoDB restore into where no scratch server is named; without it, the PATH is searched. Nothing else of MongoDB's is needed.",
    example: "/opt/mongodb/bin",
  },
  spoolDirectory: {
    type: path,
    env: "LIFEBOAT_SPOOL",
    help: "Folder for what must lie on disk during a restore; it needs room for one backup, uncompressed. Default: the system's temporary folder.",
    example: "/var/spool/lifeboat",
  },
  stateDirectory: {
    type: path,
    env: "LIFEBOAT_STATE",
    help: "Folder for caches, which can be deleted at any moment, and for log that `archive` received and did not store yet (`archive-…`), which must not. Default: `$XDG_CACHE_HOME/lifeboat` (`~/.cache/lifeboat`) for the first, `$XDG_STATE_HOME/lifeboat` (`~/.local/state/lifeboat`) for the second.",
    example: "/var/cache/lifeboat",
  },
});

export const scratch = section({
  directory: {
    type: path,
    help: "Folder in which throw-away servers are made. Default: the system's temporary folder.",
    example: "/var/tmp",
  },
  user: {
    type: text,
    help: "User that runs them when Lifeboat itself runs as root, which PostgreSQL refuses. Default: `postgres`, or `mongodb`.",
    example: "postgres",
  },
  isolation: {
    type: oneOf(["required", "none"]),
    default: "required",
    help: "Whether PostgreSQL servers that hold restored data must run in a cell of their own: no network, no files, processes or secrets of this machine. Where no cell can be made, and for a PostgreSQL server that `scratch.url` of a source names, `required` refuses the drill, and `none` lets code in a restored database act as the user that runs the server.",
  },
});
