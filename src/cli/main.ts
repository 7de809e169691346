// Where the command line begins. `--version` answers before anything else is read.
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// In the user's own cache: a cache that others can write to would let them choose what runs. No home, no cache.
const home = process.env.XDG_CACHE_HOME || homedir();
const cache = join(process.env.XDG_CACHE_HOME || join(home, ".cache"), "lifeboat", "compiled");
if (existsSync(home)) enableCompileCache(cache);
// Set by bin/lifeboat, so that this very file comes from the cache; programs that we start have no business there.
if (process.env.NODE_COMPILE_CACHE === cache) delete process.env.NODE_COMPILE_CACHE;

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  const { readVersion } = await import("../version.ts");
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") return;
    process.exitCode = 1;
    process.stderr.write(`error OUTPUT_FAILED  the output could not be written: ${code}\n`);
  });
  process.stdout.write(`${readVersion()}\n`);
} else {
  const { runProcess } = await import("./process.ts");
  await runProcess(argv);
}
