// `lifeboat serve`: health, metrics, a changed configuration, and its end.
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { METRICS } from "../../src/server/metrics.ts";
import { freshDatabase, openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";
import { beginServing, type Line } from "../support/serving.ts";

const skip = skipWithoutPostgres();

test("R38 R51 serve makes what is due, answers health and metrics, refuses a wrong change, stops with 0", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select generate_series(1, 100) as id");
  const away = { url: "postgres://shop:s3cretword@127.0.0.1:1/shop", label: "away" };
  const yaml =
    'policies: { nightly: { backups: [{ tier: daily, cron: "0 0 * * *", keep: 30d }], expire: "0 4 1 1 *" } }\nserver: { beat: 1s }\n';
  const world = await beginWorld(t, { sources: { shop, away }, source: "policy: nightly", yaml });
  const { token } = (await world.expect(0, "token", "create", "--role", "viewer", "--name", "prometheus", "--json")).json();
  const service = await beginServing(world);

  await service.until((line) => line.source === "shop" && line.message === "work ended: done" && String(line.key).startsWith("backup:"));
  const { codes } = await service.health("/api/health/db/shop", 200);
  assert.deepEqual(
    (codes as string[]).filter((code) => code !== "NEVER_VERIFIED" && code !== "DRILL_MISSING"),
    [],
  );
  await service.health("/api/health/db/shop?strict=true", 503);
  const red = await service.health("/api/health/db/away", 503);
  assert.ok((red.codes as string[]).includes("SOURCE_UNREACHABLE"));
  const all = await service.health("/api/health", 503);
  assert.deepEqual(all.sources, { pass: 0, inconclusive: 1, fail: 1 });
  assert.doesNotMatch(JSON.stringify(all), /shop|away/);
  await service.health("/api/health/db/sohp", 404);

  assert.equal((await fetch(`${service.url}/metrics`)).status, 401);
  const scraped = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
  const named = new Set([...scraped.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
  assert.deepEqual([...named].sort(), METRICS.map(({ name }) => name).sort());
  assert.match(scraped, /^lifeboat_source_verdict\{source="away",verdict="fail"\} 1$/m);
  assert.match(scraped, /^lifeboat_jobs_total\{verb="backup",source="shop",outcome="done"\} 1$/m);

  // Wrong as a whole, also where one line would have been right.
  const seen = service.lines.length;
  editConfig(world, (text) => text.replace("keep: 30d", "keep: 60d").replace("beat: 1s", "beat: soon"));
  await service.until(({ message, code }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert opened"), seen);
  assert.ok((await world.run("alerts", "--config", world.configFile)).exit !== 0, "the file is wrong for every command");
  editConfig(world, (text) => text.replace("beat: soon", "beat: 1s"));
  await service.until(({ message, code }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert closed"), seen);
  let again = service.lines.length;
  renameSync(join(world.directory, "writer.pem"), join(world.directory, "away.pem"));
  service.kill("SIGHUP");
  await service.until(({ code, message }) => code === "SECRET_MISSING" && String(message).includes("writer.pem is not there"), again);
  renameSync(join(world.directory, "away.pem"), join(world.directory, "writer.pem"));
  await service.until(({ message }) => message === "the configuration was loaded again", again);
  // The beat under way may still tell what was refused, and the next one that it is over.
  for (let beats = 0, last: unknown; beats < 3; await sleep(50)) {
    const { judgedAt } = await service.health("/api/health", 503);
    if (judgedAt !== last) beats += 1;
    last = judgedAt;
  }
  // A file that is gone is told before the restart that would fail.
  again = service.lines.length;
  renameSync(world.configFile, `${world.configFile}.away`);
  const gone = await service.until(({ code, message }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert opened"), again);
  assert.match(String(gone.message), /there is no configuration file/);
  again = service.lines.length;
  renameSync(`${world.configFile}.away`, world.configFile);
  await service.until(({ code, message }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert closed"), again);
  // A source that could not be reached: the one before stays whole, and a change beside it does not count either.
  again = service.lines.length;
  editConfig(world, (text) => text.replace("URL_AWAY", "URL_NOT_SET"));
  const unset = await service.until(({ code, message }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert opened"), again);
  assert.match(String(unset.message), /sources\.away\.url needs the environment variable URL_NOT_SET, which is not set/);
  const kept = await service.health("/api/health/db/away", 503);
  assert.ok((kept.codes as string[]).includes("SOURCE_UNREACHABLE"));
  editConfig(world, (text) => text.replace("URL_NOT_SET", "URL_AWAY"));
  await service.until(({ code, message }) => code === "CONFIG_REFUSED" && String(message).startsWith("alert closed"), again);
  const occupied = await world.expect(1, "serve", "--port", new URL(service.url).port);
  assert.match(
    occupied.stderr,
    /^error ADDRESS_UNAVAILABLE {2}the service cannot listen at 127\.0\.0\.1:\d+: another program listens there$/m,
  );
  again = service.lines.length;
  service.kill("SIGHUP");
  await service.until(({ message }) => message === "the configuration was loaded again", again);

  const { stderr } = await service.stop();
  assert.doesNotMatch(stderr, /s3cretword/);
  assert.ok(
    service.lines
      .filter(({ message }) => message === "backup begins")
      .every(({ job, source }) => job !== undefined && source !== undefined),
  );
  await world.assertNothingLeft();
});

test("R51 serve archives logs while its queue is away, and refuses a change to tokens without TLS", async (t) => {
  const yaml = `queue: \${LIFEBOAT_QUEUE}
server: { host: 0.0.0.0 }
people: { publicUrl: "https://lifeboat.example.com" }
policies: { window: { backups: [{ tier: daily, cron: "0 0 * * *", keep: 30d }], window: 7d } }
`;
  const world = await beginWorld(t, {
    sources: { shop: { url: "postgres://u:pw@127.0.0.1:1/shop", label: "shop" } },
    source: "policy: window",
    yaml,
    env: { LIFEBOAT_QUEUE: "postgres://u:pw@127.0.0.1:1/queue" },
  });
  const service = await beginServing(world);
  await service.until(({ message }) => String(message).startsWith("the worker ended: "));
  await service.until(({ message, source }) => source === "shop" && String(message).startsWith("the log archive ended: "));
  editConfig(world, (text) => text.replace(/^people: .*$/m, ""));
  const refused = await service.until(({ message }) => String(message).startsWith("the changed configuration was refused: "));
  assert.match(refused.message, /cannot listen at 0\.0\.0\.0/);
  await service.stop();
});

test("R24 R53 serve leaves work to the job that holds its lease, and asks again with the next beat", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select generate_series(1, 100) as id");
  const yaml =
    'policies: { nightly: { backups: [{ tier: daily, cron: "0 0 * * *", keep: 30d }], expire: "0 4 1 1 *" } }\nserver: { beat: 2s }\n';
  const world = await beginWorld(t, { sources: { shop }, source: "policy: nightly", yaml });
  const application = await openApplication(shop);
  await application.query("begin; lock table t in access exclusive mode");
  const byHand = world.start("backup", "shop", "--tier", "daily");
  while ((await world.run("jobs", "--json")).json().jobs[0]?.state !== "running") await sleep(50);
  const service = await beginServing(world);
  const isLeft = ({ message, level }: Line): boolean => level === "info" && String(message).startsWith("left to another job: job ");
  await service.until(isLeft);
  await service.until(isLeft, service.lines.length);
  await application.query("rollback");
  await application.close();
  assert.equal((await byHand.ended).exit, 0);
  await service.health("/api/health/db/shop", 200);
  assert.equal((await world.expect(0, "list", "--json")).json().points.length, 1, "the slot was served by hand");
  await service.stop();
  await world.assertNothingLeft();
});
