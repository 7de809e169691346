// Attacks from inside of a scratch server, with all that a superuser of it can do: programs, files, dblink. Each is carried out on a
// server without a cell first, where it succeeds, so that a failure in the cell means something.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../../src/core/errors.ts";
import { beginCluster, type Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import type { Isolation } from "../../src/engines/postgres/cluster/isolation.ts";
import { layoutOf, readNote } from "../../src/engines/postgres/cluster/layout.ts";
import { undoCluster } from "../../src/engines/postgres/cluster/undo.ts";
import { cellSupport, startInCell } from "../../src/process/cell.ts";
import { startTimeOf } from "../../src/process/marks.ts";
import { serverUser } from "../../src/process/server-user.ts";
import { postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";

const user =
  skipWithoutPostgres() === false ? ((await serverUser()) ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }) : undefined;
const support = user && (await cellSupport(user));
const skip = skipWithoutPostgres() || (support && "missing" in support ? support.missing : false);
const isGone = async (pid: number): Promise<boolean> => (await startTimeOf(pid)) === undefined;
const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await done())) await sleep(20);
};

async function scratch(isolation: Isolation): Promise<Cluster> {
  const jobId = `cell${process.hrtime.bigint()}`;
  const directory = join(tmpdir(), `lifeboat-${jobId}`);
  return await beginCluster({ directory, bin: postgresBin(), jobId, durable: false, foreign: { isolation } });
}

/** What a program prints that the server is made to run, as its own user. */
async function runInside(cluster: Cluster, script: string): Promise<string> {
  const told = `(${script}) 2>&1 | cat; true`.replaceAll("'", "''");
  const sql = `create temp table said (line text); copy said from program '${told}' with (format csv, delimiter e'\\x01', quote e'\\x02'); select line from said`;
  return (await query<{ line: string }>(cluster.connection("postgres"), sql)).map(({ line }) => line).join("\n");
}

const shared = new Map<Isolation, Promise<Cluster>>();
after(async () => {
  for (const cluster of shared.values()) await (await cluster).stop();
});

/** Both ways: without a cell, where it shows that the attack works, and in one. Attacks must do no harm beyond what the test made. */
async function bothWays(attack: (cluster: Cluster, isolation: Isolation) => Promise<void>): Promise<void> {
  for (const isolation of ["none", "required"] as const) {
    if (!shared.has(isolation)) shared.set(isolation, scratch(isolation));
    await attack((await shared.get(isolation)) as Cluster, isolation);
  }
}

test("R57 code in a scratch server sees no process of the host, reads no environment, and ends none", { skip }, async (t) => {
  await bothWays(async (cluster, isolation) => {
    const free = isolation === "none";
    // As Lifeboat itself, where it runs as the very user that its servers run as.
    const bystander = spawn("sleep", ["1000"], { env: { SECRET: "s3cr3t-of-the-parent" }, stdio: "ignore", ...user });
    t.after(() => bystander.kill("SIGKILL"));
    const said = await runInside(cluster, "cat /proc/[0-9]*/environ | tr '\\0' '\\n'; cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    assert.equal(said.includes("s3cr3t-of-the-parent"), free);
    assert.equal(said.includes("sleep 1000"), free);
    await runInside(cluster, `kill -9 ${bystander.pid}`);
    if (free) await until(() => bystander.signalCode !== null);
    else assert.deepEqual([bystander.signalCode, await isGone(bystander.pid ?? 0)], [null, false]);
  });
});

test("R57 code in a scratch server reads and writes no file of the program, and has no privilege", { skip }, async (t) => {
  const home = mkdtempSync(join(tmpdir(), "lifeboat-home-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  chmodSync(home, 0o777);
  writeFileSync(join(home, "identity.txt"), "AGE-SECRET-KEY-1\n", { mode: 0o600 });
  if (user) chownSync(join(home, "identity.txt"), user.uid, user.gid);
  await bothWays(async (cluster, isolation) => {
    const free = isolation === "none";
    const said = await runInside(cluster, `cat ${home}/identity.txt; echo x >${home}/${isolation}`);
    assert.equal(said.includes("AGE-SECRET-KEY-1"), free);
    assert.equal(existsSync(join(home, isolation)), free);
    const look = query(cluster.connection("postgres"), `select pg_ls_dir('${home}')`);
    if (free) assert.equal((await look).length, 2);
    else await assert.rejects(look, /No such file/);
    if (free) return;
    for (const path of [
      "/home",
      "/root",
      "/run",
      "/var/run",
      "/srv",
      "/sys",
      "/dev/kmsg",
      "/etc/shadow",
      import.meta.dirname,
      layoutOf(cluster.directory).note,
    ])
      assert.match(await runInside(cluster, `ls ${path}`), /No such file/, path);
    assert.match(
      await runInside(cluster, "grep -E 'Cap(Eff|Prm|Amb)|NoNewPrivs' /proc/self/status"),
      /^CapPrm:\s0+\nCapEff:\s0+\nCapAmb:\s0+\nNoNewPrivs:\s1$/,
    );
    for (const attempt of ["touch /x", "touch /usr/bin/x", "mount -t tmpfs x /tmp", "unshare -Ur true", "chmod 777 /"])
      assert.match(await runInside(cluster, attempt), /Read-only|denied|permitted|No space|must be superuser|failed/i, attempt);
    assert.equal(await runInside(cluster, "id -u"), String(user?.uid));
  });
});

test("R57 code in a scratch server reaches no server, over TCP or by a socket of the same user", { skip }, async (t) => {
  const port = 20_000 + (process.pid % 20_000);
  const source = await testCluster({ settings: { listen_addresses: "127.0.0.1", port: String(port) } });
  t.after(() => source.stop());
  await query(source.connection("postgres"), "create table orders (n int)");
  const password = decodeURIComponent(/:([^:@/]*)@/.exec(source.connection("postgres").url)?.[1] ?? "");
  await bothWays(async (cluster, isolation) => {
    const inside = cluster.connection("postgres");
    await query(inside, "create extension dblink");
    const before = await query(source.connection("postgres"), "select n from orders");
    for (const host of ["127.0.0.1", "localhost", source.socketDirectory]) {
      const write = `select dblink_exec('host=${host} port=${port} user=postgres dbname=postgres password=${password}', 'insert into orders values (1)')`;
      if (isolation === "none") await query(inside, write);
      else await assert.rejects(query(inside, write), /could not establish connection/);
    }
    const after = await query(source.connection("postgres"), "select n from orders");
    assert.equal(after.length - before.length, isolation === "none" ? 3 : 0);
    if (isolation === "required")
      assert.match(await runInside(cluster, "cat /proc/net/dev /proc/net/tcp | grep -v lo:"), /^Inter[^\n]*\n[^\n]*\n[^\n]*$/);
  });
});

test("R57 memory and processes of a scratch server are bounded, and it is ended first when memory is short", {
  skip,
}, async () => {
  await bothWays(async (cluster, isolation) => {
    const limits = await runInside(cluster, "cat /proc/self/limits; cat /proc/self/oom_score_adj");
    for (const limit of [/Max address space +\d+/, /Max processes +1\d{3} /, /\n1000$/])
      assert.equal(limit.test(limits), isolation === "required", limits);
  });
});

test("R57 code in a scratch server cannot put a link to another server in place of its socket", { skip }, async (t) => {
  const other = await testCluster();
  t.after(() => other.stop());
  await bothWays(async (cluster, isolation) => {
    const socket = join(cluster.socketDirectory, ".s.PGSQL.5432");
    const said = await runInside(cluster, `rm -f ${socket}; ln -s ${other.socketDirectory}/.s.PGSQL.5432 ${socket}`);
    assert.equal(lstatSync(socket).isSymbolicLink(), isolation === "none", said);
  });
});

test("R57 where only root may make namespaces, a cell made by root is as tight", {
  skip: skip || (process.getuid?.() === 0 ? false : "not root"),
}, async (t) => {
  assert.ok(support && !("missing" in support) && user);
  const place = mkdtempSync(join(tmpdir(), "lifeboat-cell-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const said: string[] = [];
  const attack =
    "id -u; grep CapEff /proc/self/status; grep CapBnd /proc/self/status; ls /proc | grep -c '^[0-9]'; ls /home /root; touch /x; kill -9 1; cat /proc/1/environ";
  const { child } = await startInCell(
    { support: { ...support, asRoot: true }, user, mountPoint: place, readOnly: [], writable: [], onParentDeath: "KILL" },
    "sh",
    ["-c", `(${attack}) >&2`],
    (chunk) => void said.push(String(chunk)),
  );
  assert.equal((await child.closed).signal, null);
  assert.match(said.join(""), new RegExp(`^${user.uid}\\nCapEff:\\s0+\\nCapBnd:\\s0+\\n`));
  for (const refused of [/home.*No such file/, /root.*No such file/, /Read-only/, /not permitted/, /environ: Permission denied/])
    assert.match(said.join(""), refused);
});

test("R57 the directory of a socket is closed after the server has set its permissions, not before", { skip }, async (t) => {
  assert.ok(support && !("missing" in support) && user);
  const place = mkdtempSync(join(tmpdir(), "lifeboat-cell-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const [mountPoint, directory] = [join(place, "c"), join(place, "s")];
  for (const one of [mountPoint, directory]) mkdirSync(one);
  for (const one of [place, mountPoint, directory]) chownSync(one, user.uid, user.gid);
  const path = join(directory, "socket");
  const said: string[] = [];
  // As PostgreSQL does it: the socket is made, and its permissions are set afterwards; here much later. Then it waits for the sealing.
  const server = `
    use IO::Socket::UNIX;
    my ($path) = @ARGV;
    my $socket = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die "no socket: $!";
    chmod 0700, $path or die "early: $!";
    sleep 1;
    chmod 0600, $path or die "late: $!";
    select undef, undef, undef, 0.02 while chmod 0600, $path;
    print STDERR "closed";`;
  const { child, sealed } = await startInCell(
    { support, user, mountPoint, readOnly: [], writable: [], socket: { path, mode: "600" }, onParentDeath: "KILL" },
    "perl",
    ["-e", server, path],
    (chunk) => void said.push(String(chunk)),
  );
  await Promise.race([sealed, child.closed]);
  await child.closed;
  assert.equal(said.join(""), "closed");
});

interface Started {
  readonly parent: number;
  readonly supervisor: number;
  readonly server: number;
  readonly directory: string;
  readonly jobId: string;
}

/** A process of its own that makes a cluster in a cell and then does nothing. */
async function startElsewhere(keep: boolean): Promise<Started> {
  const jobId = `cell${process.hrtime.bigint()}`;
  const directory = join(tmpdir(), `lifeboat-${jobId}`);
  const options = { directory, bin: postgresBin(), jobId, durable: keep, keep, foreign: { isolation: "required" } };
  const script = `
    import { beginCluster } from ${JSON.stringify(new URL("../../src/engines/postgres/cluster/cluster.ts", import.meta.url).href)};
    const c = await beginCluster(${JSON.stringify(options)});
    console.log(JSON.stringify({ parent: process.pid, supervisor: c.supervisorPid, server: c.pid, directory: c.directory, jobId: ${JSON.stringify(jobId)} }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  child.unref();
  return JSON.parse(line) as Started;
}

/** Numbers of processes whose arguments name the directory: the server's own, seen from outside of its cell. */
const processesOf = (directory: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && Number(pid) !== process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
    } catch {
      return false;
    }
  });

test("R57 a cell whose starter, supervisor or both are killed ends, and nothing of it is left", { skip }, async () => {
  for (const victims of [["parent"], ["supervisor", "parent"], ["parent", "supervisor"]] as const) {
    const started = await startElsewhere(false);
    assert.equal((await readNote(started.directory))?.cell?.pid, started.server);
    for (const victim of victims) process.kill(started[victim], "SIGKILL");
    await until(
      async () => (await isGone(started.supervisor)) && (await isGone(started.server)) && processesOf(started.directory).length === 0,
    );
    assert.notEqual(await undoCluster({ ...started, host: hostname() }), "elsewhere");
    assert.ok(!existsSync(started.directory));
  }
  const alive = await startElsewhere(false);
  assert.equal(await undoCluster({ ...alive, host: hostname() }), "removed");
  assert.ok(!existsSync(alive.directory) && (await isGone(alive.server)) && (await isGone(alive.supervisor)));
  process.kill(alive.parent, "SIGKILL");
  await until(() => processesOf(alive.directory).length === 0);
});

test("R57 kept data in a cell is shut down in peace when its starter or supervisor is killed", { skip }, async () => {
  for (const victim of ["parent", "supervisor"] as const) {
    const started = await startElsewhere(true);
    process.kill(started[victim], "SIGKILL");
    await until(async () => (await isGone(started.supervisor)) && (await isGone(started.server)));
    const log = readFileSync(layoutOf(started.directory).log, "utf8");
    assert.doesNotMatch(log, /immediate shutdown|not properly shut down/);
    assert.ok(!existsSync(join(started.directory, "data", "postmaster.pid")));
    assert.equal(await undoCluster({ ...started, host: hostname() }), "removed");
    if (victim === "supervisor") process.kill(started.parent, "SIGKILL");
  }
});

test("R57 a start in a cell that fails says why and leaves nothing", { skip }, async () => {
  const directory = join(tmpdir(), `lifeboat-cellbad-${process.pid}`);
  const options = { directory, bin: postgresBin(), jobId: "cellbad", durable: false, foreign: { isolation: "required" as const } };
  await assert.rejects(
    beginCluster({ ...options, settings: { no_such_setting: "1" } }),
    (error) => isLifeboatError(error, "SCRATCH_FAILED") && /no_such_setting/.test(error.message),
  );
  assert.ok(!existsSync(directory));
});

test("R57 where no cell can be made, a scratch server is refused with the reason before anything is made", { skip }, async (t) => {
  const path = process.env.PATH;
  t.after(() => {
    process.env.PATH = path;
  });
  const bare = mkdtempSync(join(tmpdir(), "lifeboat-path-"));
  t.after(() => rmSync(bare, { recursive: true, force: true }));
  const directory = join(tmpdir(), `lifeboat-nocell-${process.pid}`);
  const begin = (isolation: Isolation) =>
    beginCluster({ directory, bin: postgresBin(), jobId: "nocell", durable: false, foreign: { isolation } });
  const attempt = () =>
    assert.rejects(begin("required"), (error) => isLifeboatError(error, "ISOLATION_MISSING") && /unshare/.test(error.message));
  process.env.PATH = bare;
  // Without the program; and with one that the system lets do nothing.
  if (process.getuid?.() !== 0) await attempt();
  for (const name of ["id", "locale"])
    writeFileSync(join(bare, name), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${name} "$@"\n`, { mode: 0o755 });
  mkdirSync(join(bare, "empty"));
  await attempt();
  writeFileSync(join(bare, "unshare"), "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n", { mode: 0o755 });
  process.env.PATH = `${bare}:${bare}/empty`;
  chmodSync(bare, 0o755);
  await assert.rejects(
    begin("required"),
    (error) => isLifeboatError(error, "ISOLATION_MISSING") && /Operation not permitted/.test(error.message),
  );
  assert.ok(!existsSync(directory));
  process.env.PATH = path;
  const consented = await begin("none");
  await consented.stop();
});
