// Options of `drills`, `tools` and `scratch`.
import { listOf, section, type Type, type Values } from "../../core/option.ts";
import { cron, namePattern, oneOf, path, text, timeZone } from "../../core/option-types.ts";
import type { Late } from "../../core/secret.ts";
import type { ProviderDescriptor } from "../../ports/descriptor.ts";

export const drill = section({
  sources: { type: listOf(text), required: true, help: "Sources that this drill restores.", example: "[shop]" },
  cron: {
    type: cron,
    help: "When it is due, in `timeZone`; `0#1` is the first Sunday. `lifeboat drill --due`, from cron, runs it; `status` says when it is overdue.",
    example: '"0 6 * * 0#1"',
  },
  timeZone: { type: timeZone, help: "Time zone of `cron`. Default: UTC.", example: "Europe/Berlin" },
  to: { type: text, default: "latest", help: "Recovery target: `latest`, a time, a restore point, or so long ago.", example: '"-7d"' },
  name: { type: namePattern, help: "Name pattern of its runs.", example: '"drill-{month}"' },
});

const folders = {
  spoolDirectory: {
    type: path,
    env: "LIFEBOAT_SPOOL",
    help: "Folder for the files of a restore; it must hold one backup, uncompressed. Default: the system's temporary folder.",
    example: "/var/spool/lifeboat",
  },
  stateDirectory: {
    type: path,
    env: "LIFEBOAT_STATE",
    help: "Folder for caches, which can be deleted at any moment, and for log that `archive` received and did not store yet (`archive-…`), which must not. Default: `$XDG_CACHE_HOME/lifeboat` (`~/.cache/lifeboat`) for the first, `$XDG_STATE_HOME/lifeboat` (`~/.local/state/lifeboat`) for the second.",
    example: "/var/cache/lifeboat",
  },
} as const;

/** `programs`: of engines, by their names. */
export type ToolValues = Values<typeof folders> & { readonly programs: Readonly<Record<string, Late<string> | undefined>> };

export function toolsOf(providers: readonly ProviderDescriptor[]): Type<ToolValues> {
  const programs = Object.fromEntries(providers.map(({ engine }) => [engine.name, { ...engine.tools, late: true } as const]));
  return { shape: "section", word: "section", table: folders, groups: [{ table: programs, as: "programs" }] };
}

export const scratch = section({
  directory: {
    type: path,
    late: true,
    help: "Folder in which scratch servers are made. Default: the system's temporary folder.",
    example: "/var/tmp",
  },
  user: {
    type: text,
    late: true,
    help: "User that runs them when Lifeboat itself runs as root, which PostgreSQL refuses. Default: `postgres`, or `mongodb`.",
    example: "postgres",
  },
  isolation: {
    type: oneOf(["required", "none"]),
    default: "required",
    help: "Whether PostgreSQL servers that hold restored data must run in a cell of their own: no network, no files, processes or secrets of this machine. Where no cell can be made, and for a PostgreSQL server that `scratch.url` of a source names, `required` refuses the drill, and `none` lets code in a restored database act as the user that runs the server.",
  },
});
