// PostgreSQL's programs for the sandbox, or what to install.
import { isLifeboatError, LifeboatError } from "../../../src/core/errors.ts";
import { findTools } from "../../../src/engines/postgres/tools/find.ts";
import { versionOf } from "../../../src/engines/postgres/tools/version.ts";

/** Older ones are no longer kept by their makers. */
const OLDEST_MAJOR = 13;

/** The folder with the server's programs. TOOL_MISSING says what to install. */
export async function findSandboxPrograms(configured?: string, signal?: AbortSignal): Promise<string> {
  try {
    return (await findTools("server", { configured, minimumMajor: OLDEST_MAJOR, signal })).directory;
  } catch (error) {
    if (!isLifeboatError(error, "TOOL_MISSING") && !isLifeboatError(error, "TOOL_TOO_OLD")) throw error;
    throw new LifeboatError(error.code, error.message, {
      cause: error.cause,
      details: error.details,
      hint:
        "install PostgreSQL's server (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; " +
        "macOS: brew install postgresql@17), or set LIFEBOAT_POSTGRES_BIN to the folder with initdb and postgres",
    });
  }
}

/** Major version of the server in a folder; undefined when it cannot be asked. */
export async function majorOf(bin: string): Promise<number | undefined> {
  return (await versionOf(`${bin}/postgres`))?.major;
}
