// Full loss of a database: the restored one takes its place between hooks, and the former one comes back when the application does not.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";

test("R23 a restore in place runs between hooks, waits for health, and swaps back without it", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const production = await freshDatabase();
  const { database } = partsOf(production);
  await query(production, "create table public.orders (id int primary key); insert into public.orders select generate_series(1, 9)");
  const log = join(await temporaryDirectory(t), "hooks");
  let status = 200;
  const server = createServer((_, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const hook = (word: string): string => `["/bin/sh", "-c", "echo ${word} $LIFEBOAT_HOOK x$LIFEBOAT_IDENTITY >> ${log}"]`;
  const world = await beginWorld(t, {
    sources: { shop: production },
    source: `health: { url: "http://127.0.0.1:${address.port}/", timeout: 1s }, hooks: { stop: ${hook("a")}, start: ${hook("b")} }`,
    env: { LIFEBOAT_IDENTITY: "secret" },
  });
  const hooks = (): string => (existsSync(log) ? readFileSync(log, "utf8").trim().replaceAll("\n", ", ") : "");
  const orders = async (): Promise<unknown> => (await query(production, "select count(*)::int as n from public.orders"))[0]?.n;
  const evidence = ({ evidence: name }: { evidence: string }) => JSON.parse(readFileSync(join(world.repository, name), "utf8"));
  const inPlace = ["restore", "shop", "--in-place", "--yes", "shop", "--json"];
  await world.expect(0, "backup", "shop");
  const provenAt = async (): Promise<unknown> => (await world.expect(0, "list", "shop", "--json")).json().points[0].verifiedAt;
  assert.equal(await provenAt(), null);
  await query(production, "delete from public.orders where id > 4");

  const plan = (await world.expect(0, ...inPlace, "--plan")).json();
  const { reason } = plan.steps.find(({ action }: { action: string }) => action === "replace");
  assert.match(reason, /^the connection string stays the same, so no cut-over is required; what it holds now is kept as /);
  const actions = plan.steps.map(({ action }: { action: string }) => action);
  assert.deepEqual(actions.slice(-4), ["hook", "replace", "hook", "await-health"]);
  const done = (await world.expect(0, ...inPlace)).json();
  assert.deepEqual([await orders(), hooks()], [9, "a stop x, b start x"], "the environment of Lifeboat is not that of a hook");
  assert.match(done.kept.name, new RegExp(`^${database}_before_`));
  assert.equal(await provenAt(), evidence(done).endedAt, "what was restored and compared is proven");
  await world.expect(0, "accept", done.job, "--yes", "shop");

  await query(production, "delete from public.orders where id > 6");
  status = 503;
  const sick = await world.run(...inPlace);
  assert.equal(sick.exit, 1, sick.stderr);
  assert.match(
    sick.json().remarks.at(-1),
    /the application did not come up; it has its former database again, and http:.* answered 503; what was restored is lifeboat_/,
  );
  assert.equal(await orders(), 6, "the former database is back");
  assert.equal(sick.json().kept, null);
  assert.equal(hooks().split(", ").length, 6, "stopped and started for each of the three swaps");
  status = 200;

  // Full loss: there is no database of that name any longer.
  await query((await sharedCluster()).connection("postgres"), `drop database "${database}" with (force)`);
  await world.expect(0, ...inPlace);
  assert.equal(await orders(), 9);

  // Killed while services are stopped: they are started again, and nothing was swapped.
  const mark = join(world.directory, "stopped");
  editConfig(world, (text) => text.replace(/stop: \[[^\]]*\]/, `stop: ["/bin/sh", "-c", "touch ${mark}; sleep 60"]`));
  const running = world.start(...inPlace);
  while (!existsSync(mark)) await sleep(20);
  const before = hooks();
  running.kill("SIGKILL");
  await running.ended;
  const { recovered } = (await world.expect(0, "jobs", "recover", "--json")).json();
  assert.deepEqual(recovered[0].says, ["the services of shop were started again"]);
  assert.equal(hooks(), `${before}, b start x`);
  assert.equal(await orders(), 9);
});
