// A cut-over of a real small application that a Coolify on loopback deploys: to a database that it can use, and to one that it cannot.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf, withDatabase } from "../../src/engines/postgres/connect/url.ts";
import { beginCoolify, TOKEN } from "../support/cutover/peers.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Runs the application with these variables; each deployment replaces the one before. */
async function beginApplication(t: TestContext) {
  const file = join(await temporaryDirectory(t), "application.env");
  const port = await freePort();
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  };
  t.after(stop);
  return {
    url: `http://127.0.0.1:${port}/health?token=0123456789`,
    async deploy(value: string): Promise<void> {
      await stop();
      writeFileSync(file, `DATABASE_URL='${value}'\n`);
      child = spawn(process.execPath, [join(import.meta.dirname, "../support/cutover/application.ts"), file, String(port)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout ?? child, "data");
    },
    async database(): Promise<unknown> {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      return response.ok ? ((await response.json()) as { database: unknown }).database : await response.text();
    },
  };
}

/** The journal that was written last, as text. */
function newestJournal(repository: string): string {
  const names = readdirSync(join(repository, "jobs"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  const newest = names.toSorted().at(-1);
  return newest === undefined ? "" : readFileSync(join(repository, "jobs", newest), "utf8");
}

const ORDERS = "create table public.orders (id int primary key); insert into orders values (1), (2)";

test("R43 an application that does not come up is pointed back, also when Lifeboat is killed", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const source = await freshDatabase();
  const { database } = partsOf(source);
  const [good, bad] = [`${database}_new`, `${database}_bad`];
  await query(source, ORDERS);
  for (const name of [good, bad]) await freshDatabase(name);
  await query(withDatabase(source, good), ORDERS);
  await query(withDatabase(source, bad), "create table public.customers (id int)");

  const application = await beginApplication(t);
  await application.deploy(source.url);
  let hold: (() => Promise<void>) | undefined;
  const coolify = await beginCoolify(t, source.url, {
    async onDeploy(value) {
      await hold?.();
      await application.deploy(value);
    },
  });
  const world = await beginWorld(t, {
    sources: { shop: source },
    source: `health: { url: "${application.url}", timeout: 1s }`,
    yaml: `cutover:
  web: { kind: coolify, source: shop, url: "${coolify.origin}", application: ${coolify.application}, token: "\${COOLIFY_TOKEN}" }
`,
    env: { COOLIFY_TOKEN: TOKEN },
  });
  assert.equal(await application.database(), database);
  const said: string[] = [];
  const run = async (exit: number, ...args: string[]) => {
    const ran = await world.expect(exit, "cutover", "shop", ...args);
    said.push(ran.stdout, ran.stderr);
    return ran;
  };
  const reads = async (name: string): Promise<void> => {
    assert.equal(await application.database(), name);
    assert.ok(String(coolify.variable().value).includes(`/${name}?`), "and so says Coolify");
  };

  const plan = (await run(2, "--to", good, "--plan", "--json")).json();
  assert.deepEqual(
    plan.steps.map(({ action }: { action: string }) => action),
    ["read-variable", "set-variable", "redeploy", "await-health"],
  );
  assert.equal((await run(2, "--to", good, "--json")).code, "CONFIRMATION_NEEDED");
  assert.equal((await run(2, "--to", "nothing", "--yes", "shop", "--json")).code, "RESTORE_TARGET_INVALID");
  assert.deepEqual(coolify.deployed, [], "nothing was changed");

  const done = (await run(0, "--to", good, "--yes", "shop", "--json")).json();
  assert.deepEqual([done.verdict, done.cutovers], ["pass", [{ name: "web", kind: "coolify", variable: "DATABASE_URL", changed: true }]]);
  await reads(good);
  assert.match((await run(0, "--to", good, "--yes", "shop")).stdout, /was right already/);
  assert.equal(coolify.deployed.length, 1, "nothing to change, nothing deployed");

  // On demand: back, and forward again.
  const back = (await run(2, "--back", "--plan", "--json")).json();
  assert.match(back.refusals[0].message, new RegExp(`would be pointed at ${database} on `));
  assert.equal((await run(0, "--back", "--yes", "shop", "--json")).json().verdict, "pass");
  await reads(database);
  await run(0, "--back", "--yes", "shop");
  await reads(good);
  assert.equal((await run(2, "--back", "--to", bad, "--json")).code, "USAGE");
  coolify.deployed.length = 1;

  const failed = await run(1, "--to", bad, "--yes", "shop", "--json");
  assert.equal(failed.code, "UNHEALTHY");
  assert.match(failed.message ?? "", /health answered 500 for 1 s; DATABASE_URL at web is again what it was, and the application is up$/);
  assert.equal(coolify.deployed.length, 3, "there, and back");
  await reads(good);

  coolify.endings.push("failed");
  const undeployed = await run(1, "--to", database, "--yes", "shop", "--json");
  assert.equal(undeployed.code, "CUTOVER_REFUSED");
  assert.match(undeployed.message ?? "", /the deployment ended as "failed"; DATABASE_URL at web is again what it was/);
  await reads(good);

  // Killed while the deployment runs, which then comes to its end.
  let release: () => void = () => {};
  const killed = await new Promise<ReturnType<typeof world.start>>((resolve) => {
    const running = world.start("cutover", "shop", "--to", bad, "--yes", "shop");
    hold = () =>
      new Promise<void>((next) => {
        release = next;
        resolve(running);
      });
  });
  killed.kill("SIGKILL");
  await killed.ended;
  hold = undefined;
  release();
  const { recovered } = (await world.expect(0, "jobs", "recover", "--json")).json();
  assert.deepEqual(recovered[0].says, ["DATABASE_URL at web is again what it was, and the application is up"]);
  await reads(good);

  // Killed while the health is awaited: the application runs with the new value already.
  const deployments = coolify.deployed.length;
  editConfig(world, (text) => text.replace("timeout: 1s", "timeout: 60s"));
  const waiting = world.start("cutover", "shop", "--to", bad, "--yes", "shop");
  let over = false;
  const ended = waiting.ended.then((ran) => {
    over = true;
    return ran;
  });
  while (!over && !/"name": ?"health"/.test(newestJournal(world.repository))) await sleep(20);
  waiting.kill("SIGKILL");
  assert.equal((await ended).signal, "SIGKILL");
  assert.equal(coolify.deployed.length, deployments + 1, "it was deployed");
  const again = (await world.expect(0, "jobs", "recover", "--json")).json().recovered[0];
  assert.deepEqual(again.says, ["DATABASE_URL at web is again what it was, and the application is up"]);
  await reads(good);
  const { events } = (await world.expect(0, "jobs", "show", again.job, "--json")).json();
  assert.ok(
    events.some(({ what }: { what: string }) => what === again.says[0]),
    "its timeline says how it ended",
  );
  await world.assertNothingLeft();

  const { password = "" } = partsOf(source);
  const stored = readdirSync(world.repository, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of stored) said.push(readFileSync(join(parentPath, name), "utf8"));
  for (const secret of [password, TOKEN, "0123456789"])
    assert.ok(!said.some((text) => text.includes(secret)), "no secret is printed or stored");
});
