// Where PostgreSQL's programs may lie, in the order of preference, and what to install when they do not.
import { readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";

export type ToolKind = "client" | "server";

/** The programs each kind needs, all from one directory. */
export const PROGRAMS = {
  client: ["pg_dump", "pg_restore"],
  server: ["initdb", "postgres"],
} as const satisfies Record<ToolKind, readonly string[]>;

export type Program<K extends ToolKind> = (typeof PROGRAMS)[K][number];

/** Roots are arguments for tests alone. */
export interface Roots {
  readonly debian: string;
  readonly homebrew: readonly string[];
}

export const ROOTS: Roots = { debian: "/usr/lib/postgresql", homebrew: ["/opt/homebrew/opt", "/usr/local/opt"] };

/** Every directory worth a look: Debian's per-version ones, Homebrew's, then PATH. Some may not exist. */
export async function candidateDirectories(env: NodeJS.ProcessEnv, roots: Roots = ROOTS): Promise<string[]> {
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
export function installHint(kind: ToolKind, major: number): string {
  const debian = kind === "client" ? `postgresql-client-${major}` : `postgresql-${major}`;
  const setting = "set tools.postgres in the configuration to the directory that holds them";
  return `install version ${major} or newer (Debian: apt-get install ${debian}; macOS: brew install postgresql@${major}), or ${setting}`;
}
