// Finds PostgreSQL's programs for a server, and says beforehand what is missing or too old.
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { candidateDirectories, installHint, PROGRAMS, type Program, ROOTS, type Roots, type ToolKind } from "./places.ts";
import { versionOf } from "./version.ts";

export interface FindOptions {
  /** The configuration's `tools.postgres`: a directory, or several. When given, nothing else is looked at. */
  readonly configured?: string | readonly string[] | undefined;
  /** The major version of the server that is read, or whose data is loaded. Programs must be of it or newer. */
  readonly minimumMajor: number;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly roots?: Roots | undefined;
}

export interface Tool {
  readonly path: string;
  readonly version: string;
  readonly major: number;
}

export interface Tools<K extends ToolKind> {
  readonly directory: string;
  readonly major: number;
  readonly programs: Readonly<Record<Program<K>, Tool>>;
}

/**
 * The programs of the smallest major version that is the server's or newer; of equals, the directory that comes first.
 * All of them come from one directory, so that they belong together.
 * Throws TOOL_MISSING when there are none, TOOL_TOO_OLD (naming both versions) when all are older than the server.
 */
export async function findTools<K extends ToolKind>(kind: K, options: FindOptions): Promise<Tools<K>> {
  const { minimumMajor, configured, signal } = options;
  const directories =
    configured === undefined || configured.length === 0
      ? await candidateDirectories(options.env ?? process.env, options.roots ?? ROOTS)
      : [configured].flat();
  const found: Tools<K>[] = [];
  for (const directory of directories) {
    const tools = await toolsIn(kind, directory, signal);
    if (tools) found.push(tools);
  }
  const newEnough = found.filter((tools) => tools.major >= minimumMajor).sort((a, b) => a.major - b.major);
  if (newEnough[0]) return newEnough[0];
  const newest = found.sort((a, b) => b.major - a.major)[0];
  const names = PROGRAMS[kind].join(" and ");
  const hint = installHint(kind, minimumMajor);
  const details = { kind, minimumMajor, lookedIn: directories };
  if (newest === undefined) {
    const where = configured === undefined || configured.length === 0 ? "" : ` in ${directories.join(", ")} (tools.postgres)`;
    throw new LifeboatError("TOOL_MISSING", `PostgreSQL's ${names} were not found${where}; version ${minimumMajor} or newer is required`, {
      hint,
      details,
    });
  }
  const { version } = Object.values<Tool>(newest.programs)[0] as Tool;
  throw new LifeboatError(
    "TOOL_TOO_OLD",
    `the server is PostgreSQL ${minimumMajor}, but the newest ${names} here are ${version} (${newest.directory})`,
    { hint, details: { ...details, found: version, directory: newest.directory } },
  );
}

/** The kind's programs in one directory; undefined unless all are there. Their major is that of the oldest. */
async function toolsIn<K extends ToolKind>(kind: K, directory: string, signal: AbortSignal | undefined): Promise<Tools<K> | undefined> {
  const programs: Record<string, Tool> = {};
  for (const program of PROGRAMS[kind]) {
    const path = join(directory, program);
    const version = await versionOf(path, signal);
    if (version === undefined) return undefined;
    programs[program] = { path, ...version };
  }
  const major = Math.min(...Object.values(programs).map((tool) => tool.major));
  return { directory, major, programs: programs as Record<Program<K>, Tool> };
}
