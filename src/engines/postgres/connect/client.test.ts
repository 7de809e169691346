import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { createTestPooler } from "../../../../test/support/pooler.ts";
import { freshDatabase, postgresBin, psql, query, skipWithoutPostgres, testCluster } from "../../../../test/support/postgres.ts";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { runProgram } from "../../../process/run.ts";
import { openClient, ordinaryPath } from "./client.ts";
import { assertNotSource, clusterIdentity } from "./identity.ts";
import { refusePooled } from "./pooled.ts";
import { programEnvironment } from "./programs.ts";
import { connectionFromParts, connectionFromUrl, partsOf, withDatabase } from "./url.ts";

const needsServer = { skip: skipWithoutPostgres() };
const says = (code: ErrorCode, words: RegExp) => (error: unknown) => isLifeboatError(error, code) && words.test(error.message);
const changed = (connection: Connection, parts: Partial<ReturnType<typeof partsOf>>): Connection =>
  connectionFromParts({ ...partsOf(connection), ...parts });

async function identityOf(connection: Connection): Promise<string> {
  const client = await openClient(connection);
  try {
    return await clusterIdentity(client);
  } finally {
    await client.close();
  }
}

test("odd names and passwords connect, by our client and by PostgreSQL's programs alike", needsServer, async () => {
  const name = `o'dd "n=a\\me postgres://x %41`;
  const admin = await freshDatabase(name);
  await query(admin, `create role "o'dd role" login password 'p@ss:w/o?r#d% é'`);
  const odd = changed(admin, { user: "o'dd role", password: "p@ss:w/o?r#d% é" });
  assert.deepEqual(await query(odd, "select current_database()::text as d, current_user::text as u"), [{ d: name, u: "o'dd role" }]);
  assert.equal((await psql(odd, ["-c", "select current_database()"])).trim(), name);
});

test("a closed port, an unknown host and a silent one are SOURCE_UNREACHABLE and name the place", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  const open = new Set<Socket>();
  silent.on("connection", (socket) => open.add(socket));
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  try {
    await assert.rejects(
      openClient(connectionFromUrl("postgres://u@127.0.0.1:1/d")),
      says("SOURCE_UNREACHABLE", /d on 127\.0\.0\.1:1 .*nothing listens/),
    );
    await assert.rejects(openClient(connectionFromUrl("postgres://u@host.invalid/d")), says("SOURCE_UNREACHABLE", /host\.invalid/));
    await assert.rejects(openClient(connectionFromUrl("postgres://u@/d?host=/nowhere")), says("SOURCE_UNREACHABLE", /no such socket/));
    await assert.rejects(
      openClient(connectionFromUrl(`postgres://u@127.0.0.1:${port}/d`), { connectTimeoutMs: 100 }),
      says("SOURCE_UNREACHABLE", /did not answer in time/),
    );
  } finally {
    for (const socket of open) socket.destroy();
    silent.close();
  }
});

test("a wrong password, an unknown database and a missing permission each say so, without the password", needsServer, async () => {
  const admin = await freshDatabase();
  const wrong = changed(admin, { password: "hunter2" });
  await assert.rejects(
    openClient(wrong),
    (error) => says("SOURCE_AUTH", /refused the login/)(error) && !String((error as Error).message).includes("hunter2"),
  );
  await assert.rejects(openClient(withDatabase(admin, "nowhere")), says("SOURCE_UNREACHABLE", /no such database/));
  await query(admin, "create role poor login password 'p'; create table hidden ()");
  const poor = await openClient(changed(admin, { user: "poor", password: "p" }));
  await assert.rejects(poor.query("select * from public.hidden"), says("SOURCE_PERMISSION", /hidden/));
  await poor.close();
});

test("a session that the server ends is SOURCE_UNREACHABLE, in the statement under way and in the next one", needsServer, async () => {
  const admin = await freshDatabase();
  const victim = await openClient(admin);
  const asleep = assert.rejects(victim.query("select pg_sleep(1000)"), says("SOURCE_UNREACHABLE", /./));
  await query(admin, `select pg_terminate_backend(${victim.backendPid})`);
  await asleep;
  await assert.rejects(victim.query("select 1"), says("SOURCE_UNREACHABLE", /./));
  await victim.close();
});

test("an abort ends the statement under way with its own reason, and the server gives it up", needsServer, async () => {
  const admin = await freshDatabase();
  const controller = new AbortController();
  const client = await openClient(admin, { signal: controller.signal });
  const cause = new LifeboatError("LEASE_LOST", "another process took over");
  const asleep = assert.rejects(client.query("select pg_sleep(1000)"), (error) => error === cause);
  controller.abort(cause);
  await asleep;
  await client.close();
  const running = `select count(*)::int as n from pg_stat_activity where pid = ${client.backendPid}`;
  while ((await query<{ n: number }>(admin, running))[0]?.n !== 0);
});

test("instants, big integers and numerics come as the server writes them", needsServer, async () => {
  const client = await openClient(await freshDatabase());
  const rows = await client.query("select '2024-01-02 03:04:05.678901'::timestamp as at, 9007199254740993 as big, 1.10 as n");
  await client.close();
  assert.deepEqual(rows, [{ at: "2024-01-02 03:04:05.678901", big: "9007199254740993", n: "1.10" }]);
});

test("one database has one identity by every route, and others have others", needsServer, async () => {
  const source = await freshDatabase();
  const other = await freshDatabase();
  await query(source, "create role reader login password 'p'");
  const same = await identityOf(source);
  assert.equal(await identityOf(changed(source, { user: "reader", password: "p" })), same);
  assert.notEqual(await identityOf(other), same);
});

test("nothing writes to its source by any host, socket, user or privilege", needsServer, async (t) => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const cluster = await testCluster({ settings: { listen_addresses: "localhost", port: String(port) } });
  t.after(() => cluster.stop());
  const source = await freshDatabase("shop", cluster);
  await query(
    source,
    `create role other login superuser password 'p'; create role reader login password 'p';
     revoke execute on function pg_control_system() from public`,
  );
  const tcp = partsOf(source).port;
  const aliases = [
    source,
    changed(source, { user: "other", password: "p" }),
    changed(source, { user: "reader", password: "p" }),
    changed(source, { host: "localhost", port: tcp }),
    changed(source, { host: "127.0.0.1", port: tcp, user: "other", password: "p" }),
  ];
  for (const alias of aliases) {
    await assert.rejects(assertNotSource(source, alias), says("SOURCE_WRITE_REFUSED", /must not be written to: it is the source/));
    await assert.rejects(assertNotSource(alias, source), says("SOURCE_WRITE_REFUSED", /./));
  }
  await assertNotSource(source, await freshDatabase("shop_new", cluster));
  await assertNotSource(source, await freshDatabase());
});

test("a transaction pooler is refused, and says why; a direct connection is not", needsServer, async (t) => {
  const direct = await freshDatabase();
  const pooler = await createTestPooler(direct);
  t.after(() => pooler.close());
  const through = await openClient(pooler.url);
  await assert.rejects(refusePooled(through), says("SOURCE_POOLED", /transaction pooler/));
  await through.close();
  const client = await openClient(direct);
  await refusePooled(client);
  await client.close();
});

test("R57 a pooler that refuses or passes over a session's settings is refused at login, by name", needsServer, async (t) => {
  const direct = await freshDatabase();
  for (const [settings, words] of [
    ["refused", /a pooler answers there: it refuses the settings .*unsupported startup parameter in options: search_path/],
    ["ignored", /a pooler answers there: it passes over the settings/],
  ] as const) {
    const pooler = await createTestPooler(direct, settings);
    t.after(() => pooler.close());
    await assert.rejects(openClient(pooler.url), (error) => {
      return says("SOURCE_POOLED", words)(error) && /direct connection string/.test(String((error as LifeboatError).hint));
    });
  }
});

/** What our sessions and those of PostgreSQL's programs report as their settings. */
const SHOWN = [
  ...["search_path", "row_security", "standard_conforming_strings", "transform_null_equals"],
  ...["statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only", "local_preload_libraries", "role"],
];

async function settingsOf(connection: Connection): Promise<Record<string, string>> {
  const client = await openClient(connection);
  try {
    const [row] = await client.query(`select ${SHOWN.map((name) => `pg_catalog.current_setting('${name}') as ${name}`).join(", ")}`);
    return row as Record<string, string>;
  } finally {
    await client.close();
  }
}

test("R33 a statement that another session cancels is reported as cancelled, not as a bug", needsServer, async () => {
  const admin = await freshDatabase();
  const client = await openClient(admin);
  try {
    const slept = client.query("select pg_catalog.pg_sleep(60)");
    const cancel = async (): Promise<void> => {
      const [row] = await query<{ done: boolean }>(
        admin,
        `select bool_or(pg_cancel_backend(pid)) as done from pg_stat_activity where pid = ${client.backendPid} and state = 'active'`,
      );
      if (row?.done !== true) await cancel();
    };
    await Promise.all([
      cancel(),
      assert.rejects(slept, { code: "SOURCE_UNREACHABLE", message: /a statement was cancelled on the server/ }),
    ]);
  } finally {
    await client.close();
  }
});

test("R57 a session's settings win over the database's, the role's and the address's", needsServer, async () => {
  const admin = await freshDatabase();
  const elsewhere = withDatabase(admin, "postgres");
  await query(elsewhere, "create role mallet; create role sam login superuser password 'p'");
  const name = partsOf(admin).database;
  const hostile =
    "search_path to mallet; set row_security to on; set standard_conforming_strings to off; set transform_null_equals to on; set statement_timeout to 1; set idle_in_transaction_session_timeout to 1; set default_transaction_read_only to on";
  for (const setting of [...hostile.split("; "), "set role to mallet"]) {
    const what = setting.replace(/^set /, "");
    await query(
      elsewhere,
      `alter database ${name} set ${what}; alter role sam set ${what}; alter role sam in database ${name} set ${what}`,
    );
  }
  await query(elsewhere, `alter database ${name} set local_preload_libraries to 'nowhere'`);
  const sam = changed(admin, { user: "sam", password: "p" });
  const options =
    "-c search_path=mallet -c row_security=on -c standard_conforming_strings=off -c local_preload_libraries=nowhere -c statement_timeout=1 --search_path=mallet";
  const expected = {
    search_path: "pg_catalog,pg_temp",
    row_security: "off",
    standard_conforming_strings: "on",
    transform_null_equals: "off",
    statement_timeout: "0",
    idle_in_transaction_session_timeout: "0",
    default_transaction_read_only: "off",
    local_preload_libraries: "",
    role: "none",
  };
  const addressed = changed(sam, { parameters: { options } });
  assert.deepEqual(await settingsOf(sam), expected);
  assert.deepEqual(await settingsOf(addressed), expected);
  // The address may choose a role, and harmless settings.
  const chosen = changed(sam, { parameters: { options: "-c role=mallet -c work_mem=7MB" } });
  assert.deepEqual(await settingsOf(chosen), { ...expected, role: "mallet" });
  // A value that could hide one of these settings is refused by the server instead.
  for (const options of ["-c", "-W", "\\", "--"]) {
    const broken = await settingsOf(changed(sam, { parameters: { options } })).catch(() => expected);
    assert.deepEqual(broken, expected, options);
  }

  const asked = SHOWN.filter((name) => name !== "search_path").map((name) => `current_setting('${name}')`);
  for (const connection of [sam, addressed]) {
    const ran = await runProgram(
      join(postgresBin(), "psql"),
      ["-XAt", "-F", "|", "-c", `select current_setting('search_path'), ${asked.join(", ")}`],
      {
        env: programEnvironment(connection),
        timeoutMs: 60_000,
      },
    );
    assert.equal(ran.stdout.trim(), Object.values(expected).join("|"), ran.end);
  }
});

test("R57 a replication session has its settings too", needsServer, async (t) => {
  const cluster = await testCluster({ settings: { wal_level: "replica", max_wal_senders: "2" } });
  t.after(() => cluster.stop());
  const client = await openClient(cluster.connection("postgres"), { replication: true });
  const [row] = await client.query("show search_path");
  assert.deepEqual(row, { search_path: "pg_catalog,pg_temp" });
  await client.close();
});

test("a bare name is looked for where an ordinary session of the role looks", needsServer, async () => {
  const admin = await freshDatabase();
  const name = partsOf(admin).database;
  assert.deepEqual(await ordinaryPath(admin), ["postgres", "public"]);
  await query(admin, `alter database ${name} set search_path to "$user", 'odd, "one', public`);
  assert.deepEqual(await ordinaryPath(admin), ["postgres", 'odd, "one', "public"]);
  const said = changed(admin, { parameters: { options: "-c search_path=app" } });
  assert.deepEqual(await ordinaryPath(said), ["app"]);
});
