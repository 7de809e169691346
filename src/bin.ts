#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=1
// `MALLOC_ARENA_MAX`: see bin/lifeboat of the sources.
// The command of the published package. It must parse, and speak, under any Node that npm could have run it with,
// so it imports nothing before it has looked at the version.
const major = Number(process.versions.node.split(".")[0]);
if (major >= 24) {
  await import("./cli/main.ts");
} else {
  process.stderr.write(
    `lifeboat needs Node 24 or newer, and this is Node ${process.versions.node}\n` +
      "  next: install it from https://nodejs.org, or with your version manager (nvm install 24, fnm install 24, volta install node@24)\n",
  );
  process.exitCode = 2;
}

export {};
