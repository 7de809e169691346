// Point-in-time recovery with the commands of docs/format.md and no Lifeboat: age, zstd, tar and the server itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { programEnvironment } from "../../src/engines/postgres/connect/programs.ts";
import { archiveSource, statusOf, until } from "../support/archive.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { need } from "../support/require.ts";

const found = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** The shell blocks of the section, in order. */
function documented(): string[] {
  const text = readFileSync(join(import.meta.dirname, "../../docs/format.md"), "utf8");
  const section = text.slice(text.indexOf("## Point-in-time recovery by hand"), text.indexOf("### A segment's JSON"));
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
}

/** The uid that may run a server: ours, or that of `postgres` where we are root. */
function serverUser(): { uid: number; gid: number } {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid !== 0) return { uid, gid };
  const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout.trim());
  return { uid: id("-u"), gid: id("-g") };
}

test("R25 R21 age, zstd, tar and restore_command restore a past instant without Lifeboat", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  if (!need(t, "age", found("age")) || !need(t, "zstd", found("zstd"))) return;
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table orders (n int)");
  const world = await beginWorld(t, { sources: { shop }, source: "objectives: { rpo: 10s }, archive: { partialEvery: 1s }" });
  const archive = world.start("archive", "shop");
  const { path: base } = (
    await world.expect(0, "show", (await world.expect(0, "backup", "shop", "--kind", "base", "--json")).json().made[0].id, "--json")
  ).json();
  await query(shop, "insert into orders values (1)");
  await query(shop, "select pg_switch_wal()");
  await query(shop, "insert into orders values (2)");
  const [{ at } = { at: "" }] = await query<{ at: string }>(shop, "select clock_timestamp()::text as at");
  await query(shop, "insert into orders values (3)");
  const [{ after } = { after: "" }] = await query<{ after: string }>(
    shop,
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as after`,
  );
  await until("all is archived", async () => (await statusOf(world)).window.latest > after);
  archive.kill("SIGTERM");
  await archive.ended;
  await world.expect(0, "archive", "shop", "--stop");

  const place = mkdtempSync(join(tmpdir(), "lh-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const user = serverUser();
  const identity = join(place, "identity.txt");
  copyFileSync(world.identityFile, identity);
  chmodSync(identity, 0o600);
  for (const path of [place, identity]) chownSync(path, user.uid, user.gid);
  // The repository is in a private folder, so the server's user reads a copy of the log.
  const copy = (from: string, to: string): void =>
    void spawnSync("sh", ["-c", `cp -R "$1" "$2" && chown -R ${user.uid}:${user.gid} "$2"`, "sh", from, to]);
  copy(join(world.repository, "sources/shop/log"), join(place, "log"));
  copy(base, join(place, "base"));
  const [unpack = "", restore = "", start = ""] = documented();
  writeFileSync(join(place, "restore.sh"), restore, { mode: 0o755 });
  chmodSync(join(place, "restore.sh"), 0o755);
  const directory = join(place, "data");
  const run = (script: string): void => {
    const env = {
      PATH: `${postgresBin()}:${process.env.PATH}`,
      DIRECTORY: directory,
      IDENTITY: identity,
      BASE: join(place, "base"),
      LOG: join(place, "log"),
    };
    const ran = spawnSync("sh", ["-euc", script], {
      ...user,
      cwd: place,
      env,
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    assert.equal(ran.status, 0, `${script}\n${ran.stdout}\n${ran.stderr}`);
  };
  run(unpack);
  mkdirSync(join(place, "socket"));
  chownSync(join(place, "socket"), user.uid, user.gid);
  const conf = join(directory, "postgresql.auto.conf");
  assert.ok(existsSync(conf));
  const settings = start
    .replace("/path/to/restore.sh", join(place, "restore.sh"))
    .replace("2026-11-21 06:00:00.123456+00", at)
    .replace(
      "-w start",
      `-w -l ${join(place, "server.log")} -o "-c listen_addresses='' -c unix_socket_directories=${join(place, "socket")}" start`,
    );
  t.after(() => spawnSync(join(postgresBin(), "pg_ctl"), ["-D", directory, "-m", "immediate", "stop"], { ...user, cwd: place }));
  run(settings);
  const ask = (sql: string) =>
    spawnSync(join(postgresBin(), "psql"), ["-X", "-A", "-t", "-c", sql], {
      ...user,
      cwd: place,
      encoding: "utf8",
      env: { ...programEnvironment(shop), PGOPTIONS: "", PGHOST: join(place, "socket"), PGPORT: "5432" },
    });
  const rows = ask("select n from orders order by n");
  assert.deepEqual(rows.stdout.trim().split("\n"), ["1", "2"], `${rows.stderr}\n${readFileSync(join(place, "server.log"), "utf8")}`);

  // It lets people read before it is promoted, and write only after.
  await until("it is promoted", async () => ask("select pg_is_in_recovery()").stdout.trim() === "f");
  // The recovered server continues on a new timeline, and its archive_command feeds the same archive.
  ask("insert into orders values (4)");
  ask("select pg_switch_wal()");
  ask("insert into orders values (5)");
  const log = join(directory, "pg_wal");
  const files = readdirSync(log).filter((name) => name === "00000002.history" || /^00000002[0-9A-F]{16}$/.test(name));
  const current = ask("select pg_walfile_name(pg_current_wal_lsn())").stdout.trim();
  for (const name of files
    .filter((one) => one < current || one.endsWith(".history"))
    .sort((a, b) => Number(b.includes(".")) - Number(a.includes("."))))
    await world.expect(0, "archive", "shop", "--segment", join(log, name));
  const status = await statusOf(world);
  assert.deepEqual(status.log.flaws, []);
  assert.deepEqual(
    status.log.windows.map(({ timeline }: { timeline: number }) => timeline),
    [2, 1],
    "both timelines can be reached, each through the base backup",
  );
  assert.ok(status.log.windows[0].latest > status.log.windows[1].latest);
});
