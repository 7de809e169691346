// Finds PostgreSQL's programs for a server, and says beforehand what is missing or too old.

import { readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { orAborted, versionOf } from "./version.ts";

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
  const { directories, found } = await orAborted(installed(kind, options), signal);
  const newEnough = found.filter((tools) => tools.major >= minimumMajor).sort((a, b) => a.major - b.major);
  if (newEnough[0]) return newEnough[0];
  const newest = [...found].sort((a, b) => b.major - a.major)[0];
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

interface Installed<K extends ToolKind> {
  readonly directories: readonly string[];
  readonly found: readonly Tools<K>[];
}

/** Looks that are under way, by what they look for: a thousand sources that ask at one time share one. */
const looking = new Map<string, Promise<unknown>>();

function installed<K extends ToolKind>(kind: K, { configured, env = process.env, roots = ROOTS }: FindOptions): Promise<Installed<K>> {
  const look = async (): Promise<Installed<K>> => {
    const isGiven = configured !== undefined && configured.length > 0;
    const directories = isGiven ? [configured].flat() : await candidateDirectories(env, roots);
    const found = (await Promise.all(directories.map((directory) => toolsIn(kind, directory)))).filter((tools) => tools !== undefined);
    return { directories, found };
  };
  const key = JSON.stringify([kind, configured, env.PATH, roots]);
  const shared = (looking.get(key) as Promise<Installed<K>> | undefined) ?? look().finally(() => looking.delete(key));
  looking.set(key, shared);
  return shared;
}

/** The kind's programs in one directory; undefined unless all are there. Their major is that of the oldest. */
async function toolsIn<K extends ToolKind>(kind: K, directory: string): Promise<Tools<K> | undefined> {
  const programs: Record<string, Tool> = {};
  for (const program of PROGRAMS[kind]) {
    const path = join(directory, program);
    const version = await versionOf(path);
    if (version === undefined) return undefined;
    programs[program] = { path, ...version };
  }
  const major = Math.min(...Object.values(programs).map((tool) => tool.major));
  return { directory, major, programs: programs as Record<Program<K>, Tool> };
}

// Where PostgreSQL's programs may lie, in the order of preference, and what to install when they do not.

type ToolKind = "client" | "server";

/** The programs each kind needs, all from one directory. */
const PROGRAMS = {
  client: ["pg_dump", "pg_restore"],
  server: ["initdb", "postgres"],
} as const satisfies Record<ToolKind, readonly string[]>;

type Program<K extends ToolKind> = (typeof PROGRAMS)[K][number];

/** Roots are arguments for tests alone. */
interface Roots {
  readonly debian: string;
  readonly homebrew: readonly string[];
}

const ROOTS: Roots = { debian: "/usr/lib/postgresql", homebrew: ["/opt/homebrew/opt", "/usr/local/opt"] };

/** Every directory worth a look: Debian's per-version ones, Homebrew's, then PATH. Some may not exist. */
async function candidateDirectories(env: NodeJS.ProcessEnv, roots: Roots): Promise<string[]> {
  const debian = (await namesIn(roots.debian)).filter((name) => /^\d+$/.test(name)).map((name) => join(roots.debian, name, "bin"));
  const homebrew: string[] = [];
  for (const root of roots.homebrew) {
    const formulas = (await namesIn(root)).filter((name) => /^(postgresql(@\d+)?|libpq)$/.test(name));
    homebrew.push(...formulas.map((name) => join(root, name, "bin")));
  }
  const path = (env.PATH ?? "").split(delimiter).filter((directory) => directory.startsWith("/"));
  return [...new Set([...debian, ...homebrew, ...path])];
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    // Not a system of that kind.
    return [];
  }
}

/** The commands that install what is missing, in words for a hint. */
function installHint(kind: ToolKind, major: number): string {
  const debian = kind === "client" ? `postgresql-client-${major}` : `postgresql-${major}`;
  const setting = "set tools.postgres in the configuration to the directory that holds them";
  return `install version ${major} or newer (Debian: apt-get install ${debian}; macOS: brew install postgresql@${major}), or ${setting}`;
}
