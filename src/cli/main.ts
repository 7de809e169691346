// Where the command line begins. `--version` answers before anything else is read.
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// In the user's own cache: a cache that others can write to would let them choose what runs.
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lifeboat", "compiled"));

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  const { readVersion } = await import("./version.ts");
  process.stdout.write(`${readVersion()}\n`);
} else {
  const { runProcess } = await import("./process.ts");
  await runProcess(argv);
}
