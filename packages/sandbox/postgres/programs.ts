// PostgreSQL's programs for the emulators: those of this machine, those that an earlier run downloaded, or Debian's packages, now.
import { readFile } from "node:fs/promises";
import { isLifeboatError, LifeboatError } from "../../../src/core/errors.ts";
import { type FindOptions, findTools } from "../../../src/engines/postgres/tools/find.ts";
import { versionOf } from "../../../src/engines/postgres/tools/version.ts";
import { downloadedPrograms, downloadPrograms } from "./download.ts";

/** PostgreSQL's project maintains no older major. */
const OLDEST_MAJOR = 13;

export interface ProgramsOptions {
  /** The folder that the user named: nothing else is searched, and nothing is downloaded. */
  readonly configured?: string | undefined;
  /** Where else to search. Default: the places where systems keep PostgreSQL, and PATH. */
  readonly search?: Pick<FindOptions, "env" | "roots"> | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is told, in sentences, what a download does. */
  readonly say?: ((sentence: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Programs {
  /** The folder with `initdb` and `postgres`. */
  readonly directory: string;
  /** Whether Lifeboat's commands find client programs only when LIFEBOAT_POSTGRES_BIN names this folder. */
  readonly downloaded: boolean;
}

/**
 * Finds server and client programs. On Debian and Ubuntu downloads them where there are none, and keeps them for the next time.
 * Throws TOOL_MISSING or TOOL_TOO_OLD with the command that installs them; what `downloadPrograms` throws.
 */
export async function findPrograms({ configured, search, env, say, signal }: ProgramsOptions): Promise<Programs> {
  try {
    return { directory: await serverIn({ ...search, configured, signal }), downloaded: false };
  } catch (error) {
    if (!isLifeboatError(error, "TOOL_MISSING") && !isLifeboatError(error, "TOOL_TOO_OLD")) throw error;
    const install = await installCommand();
    const hint = `run \`${install}\`, or set LIFEBOAT_POSTGRES_BIN to the folder with initdb, postgres, pg_dump and pg_restore`;
    const missing = new LifeboatError(error.code, error.message, { cause: error.cause, details: error.details, hint });
    if (configured !== undefined) throw missing;
    const check = (directory: string) => serverIn({ configured: directory, signal });
    const kept = await downloadedPrograms(env, check);
    const directory = kept ?? (await downloadPrograms({ env, check, install, missing, say, signal }));
    return { directory, downloaded: true };
  }
}

/** The folder with the server's programs, for which there are client programs too. */
async function serverIn(options: Omit<FindOptions, "minimumMajor">): Promise<string> {
  const server = await findTools("server", { ...options, minimumMajor: OLDEST_MAJOR });
  await findTools("client", { ...options, minimumMajor: server.major });
  return server.directory;
}

/** Major version of the server in a folder; undefined when it cannot be asked. */
export async function majorOf(bin: string): Promise<number | undefined> {
  return (await versionOf(`${bin}/postgres`))?.major;
}

/** By the names that /etc/os-release gives a system and what it is like. */
const INSTALL: Readonly<Record<string, string>> = {
  debian: "sudo apt-get install postgresql",
  ubuntu: "sudo apt-get install postgresql",
  fedora: "sudo dnf install postgresql-server",
  rhel: "sudo dnf install postgresql-server",
  suse: "sudo zypper install postgresql-server",
  arch: "sudo pacman -S postgresql",
  alpine: "sudo apk add postgresql",
  darwin: "brew install postgresql@17",
};

/** The command that installs PostgreSQL on this system, for its root or for a user who may become root. */
export async function installCommand(
  platform = process.platform,
  osRelease = "/etc/os-release",
  isRoot = process.getuid?.() === 0,
): Promise<string> {
  const text = platform === "linux" ? await readFile(osRelease, "utf8").catch(() => "") : "";
  const names = [...text.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap(([, value = ""]) => value.split(" "));
  const name = [platform, ...names].find((one) => Object.hasOwn(INSTALL, one)) ?? "debian";
  return (INSTALL[name] ?? "").replace(/^sudo /, isRoot ? "" : "sudo ");
}
