// A directory with a program called `mongod`: a stand-in that behaves as one, or does not.
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("./mongod-program.ts", import.meta.url));

export interface ProgramDirectory extends AsyncDisposable {
  readonly directory: string;
}

/** `body`: lines of a shell script that run when it is not asked for its version. */
export async function mongodDirectory(version = "8.0.4", body?: string): Promise<ProgramDirectory> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-mongod-"));
  await chmod(directory, 0o755);
  const run = body ?? `exec '${process.execPath}' --disable-warning=ExperimentalWarning '${PROGRAM}' "$@"`;
  await writeFile(
    join(directory, "mongod"),
    `#!/bin/sh\nif [ "$1" = --version ]; then echo "db version v${version}"; exit 0; fi\n${run}\n`,
  );
  await chmod(join(directory, "mongod"), 0o755);
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** As root, servers run as another user, who must be able to read this checkout. */
export function skipUnlessReadable(): string | false {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath, "--check", PROGRAM], {
      stdio: "ignore",
    });
    return false;
  } catch {
    return "another user cannot read this checkout, and servers do not run as root";
  }
}
