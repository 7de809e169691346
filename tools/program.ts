// What the package ships, built into a folder and started by the pinned Node: for those that start it thousands of times, as it starts in
// half the time of the sources, and for those that measure what users have.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Makes the folder, builds into it, and returns the path of the program. */
export function buildProgram(folder: string): string {
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const build = spawnSync(process.execPath, [join(root, "tools/build.ts"), folder], { stdio: "inherit" });
  if (build.status !== 0) throw new Error("the program could not be built");
  const program = join(folder, "lifeboat");
  const node = `MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE="${join(folder, "compiled")}" exec "${process.execPath}" --max-semi-space-size=1`;
  writeFileSync(program, `#!/bin/sh\n${node} --disable-warning=ExperimentalWarning "${join(folder, "dist/bin.js")}" "$@"\n`, {
    mode: 0o755,
  });
  return program;
}
