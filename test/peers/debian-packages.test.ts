// The demonstration on a machine without PostgreSQL: it downloads the programs from the real registry of Debian or Ubuntu.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findPrograms } from "../../packages/sandbox/index.ts";
import { plain } from "../support/demo.ts";
import { PROGRAM } from "../support/program.ts";
import { need } from "../support/require.ts";

/** Hides PostgreSQL's programs and its library from what is started in it; only root may. */
const HIDE = `
  [ ! -d /usr/lib/postgresql ] || mount -t tmpfs none /usr/lib/postgresql
  for library in /usr/lib/*/libpq.so.5.*; do [ ! -f "$library" ] || mount --bind /dev/null "$library"; done
  exec "$0" "$@"`;

/** The packages that dpkg knows, without PostgreSQL, its library, and what depends on them. */
function statusWithoutPostgres(): string {
  const packages = readFileSync("/var/lib/dpkg/status", "utf8").split("\n\n");
  const nameOf = (text: string): string => /^Package: (\S+)/m.exec(text)?.[1] ?? "";
  const removed = new Set(packages.map(nameOf).filter((name) => /^(postgresql|libpq5$)/.test(name)));
  for (let before = -1; before < removed.size; ) {
    before = removed.size;
    for (const text of packages) {
      const depends = /^(?:Pre-)?Depends: .*$/gm[Symbol.match](text)?.join(" ") ?? "";
      if (depends.split(/[\s,|:()]+/).some((name) => removed.has(name))) removed.add(nameOf(text));
    }
  }
  return packages.filter((text) => !removed.has(nameOf(text))).join("\n\n");
}

test("R54 the demonstration downloads PostgreSQL where it is missing, ends well, and keeps the programs", async (t) => {
  if (!need(t, "apt", existsSync("/usr/bin/apt-get") && existsSync("/var/lib/dpkg/status"))) return;
  const folder = mkdtempSync(join(tmpdir(), "deb-"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "status"), statusWithoutPostgres());
  writeFileSync(join(folder, "apt.conf"), `Dir::State::status "${folder}/status";\n`);
  const env = { ...plain, TMPDIR: folder, XDG_CACHE_HOME: join(folder, "cache"), APT_CONFIG: join(folder, "apt.conf") };
  const reached = spawnSync("apt-get", ["download", "tzdata"], { cwd: folder, env, encoding: "utf8" });
  if (reached.status !== 0) return t.skip(`no registry of packages is reachable: ${reached.stderr.trim().split("\n")[0]}`);

  const canHide = spawnSync("unshare", ["--mount", "true"]).status === 0;
  const nothing = { env: { PATH: "/nowhere" }, roots: { debian: "/nowhere", homebrew: [] } };
  const found = canHide ? undefined : await findPrograms({ env, search: nothing });
  const demo = () =>
    canHide
      ? spawnSync("unshare", ["--mount", "sh", "-euc", HIDE, PROGRAM, "demo"], { env, encoding: "utf8" })
      : spawnSync(PROGRAM, ["demo"], { env: { ...env, LIFEBOAT_POSTGRES_BIN: found?.directory }, encoding: "utf8" });
  const { status, stdout, stderr } = demo();
  assert.equal(status, 0, `${stdout}${stderr}`);
  if (canHide) assert.match(stderr, /note: PostgreSQL is not installed here: downloading \d+ MB of packages/);
  assert.match(stdout, /fingerprint\s+equal to the one taken with the backup/);
  assert.deepEqual(
    readdirSync(join(folder, "cache/lifeboat")).filter((name) => name !== "compiled"),
    ["postgresql"],
  );
});
