// A guarded migration, on PostgreSQL and at Neon: a failing one ends with the data that it began with, also when Lifeboat is killed.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { beginWritten } from "../support/point-in-time.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();
const SHOP =
  "create table public.users (id int primary key, name text); insert into public.users select i, 'u' || i from generate_series(1, 50) i";
const engine = openPostgresEngine();

interface Place {
  readonly world: World;
  readonly production: Connection;
  /** Whether the application is up. */
  readonly health: { status: number };
}

async function beginApplication(t: TestContext): Promise<{ readonly url: string; readonly health: { status: number } }> {
  const health = { status: 200 };
  const server = createServer((_, response) => response.writeHead(health.status).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { url: `http://127.0.0.1:${address.port}/health`, health };
}

const SOURCE = (url: string): string =>
  `checks: [{ sql: "select count(*) >= 50 from public.users", name: users }], health: { url: "${url}", timeout: 1s }`;

async function onPostgres(t: TestContext): Promise<Place> {
  const production = await freshDatabase();
  const { url, health } = await beginApplication(t);
  const world = await beginWorld(t, { sources: { shop: production }, source: SOURCE(url), env: { DATABASE_URL: production.url } });
  return { world, production, health };
}

async function atNeon(t: TestContext): Promise<Place> {
  const neon = await startRealNeon({ plan: "scale" });
  t.after(() => neon.sandbox.close());
  const production = { url: neon.sandbox.url, label: "production" };
  const { url, health } = await beginApplication(t);
  const world = await beginWorld(t, {
    sources: {},
    neon: { shop: neon.sandbox },
    source: SOURCE(url),
    env: { DATABASE_URL: production.url },
  });
  return { world, production, health };
}

const digestOf = async (production: Connection): Promise<unknown> => {
  const { schema, tables } = await engine.fingerprint(production, { kind: "full" });
  return { schema, tables };
};

/** A command that runs SQL, and then the rest of a line of shell. */
const sql = (statements: string, then = ":"): string[] => [
  "/bin/sh",
  "-c",
  `${postgresBin()}/psql -X -q -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -c "${statements}" && ${then}`,
];

for (const [where, begin] of Object.entries({ PostgreSQL: onPostgres, Neon: atNeon })) {
  test(`R40 R11 ${where}: a failing guarded change ends with the first data, also after kill -9`, { skip }, async (t) => {
    const { world, production, health } = await begin(t);
    await query(production, SHOP);
    const guard = (feature: string, ...rest: readonly string[]) => ["guard", "shop", "--feature", feature, ...rest];
    const before = await digestOf(production);

    const half = "alter table public.users add column half int; delete from public.users where id < 20";
    const failed = await world.run(...guard("broken", "--rollback", "--json", "--", ...sql(half, "echo to-the-user; exit 7")));
    assert.equal(failed.exit, 7, `the status of the command is kept\n${failed.stderr}`);
    const result = failed.json();
    assert.match(failed.stderr, /to-the-user/, "its output is passed through");
    assert.deepEqual([result.outcome, result.command.status, result.point.name], ["rolled back", 7, "pre-deploy-broken"]);
    assert.equal(result.expiresAt, null, "the point stays on hold");
    assert.ok(
      result.altered.some((line: string) => /users/.test(line)) && result.altered.some((line: string) => /half/.test(line)),
      String(result.altered),
    );
    assert.deepEqual(await digestOf(production), before);
    // Both jobs as one timeline: what was asked, decided and done.
    const shown = await world.expect(0, "jobs", "show", result.job, result.rollback.job, "--json");
    const told = shown.json().events.map(({ kind, what }: { kind: string; what: string }) => `${kind}: ${what}`);
    for (const part of [
      /^asked: lifeboat .* guard shop --feature broken --rollback --json -- \/bin\/sh -c '/,
      /^decided: the command ended with status 7$/,
      /^decided: production is set back to pre-deploy-broken$/,
      new RegExp(`^asked: for the guarded change, job ${result.job}$`),
      /^decided: route to the restore point: .*pre-deploy-broken/,
      /^decided: verdict: pass$/,
      new RegExp(`^decided: verdict: rolled back by job ${result.rollback.job}: pass$`),
    ])
      assert.ok(
        told.some((line: string) => part.test(line)),
        `${part} is missing in\n${told.join("\n")}`,
      );
    const { password = "none" } = partsOf(production);
    assert.ok(!shown.stdout.includes(password), "no password is told");

    // Killed while the command runs.
    const mark = join(world.directory, "half-way");
    const command = ["--rollback", "--", ...sql(half, `touch ${mark}; sleep 60`)];
    const running = world.start(...guard("killed", ...command));
    while (!existsSync(mark)) await sleep(20);
    running.kill("SIGKILL");
    await running.ended;
    assert.notDeepEqual(await digestOf(production), before);
    assert.equal((await world.run(...guard("other", "--json", "--", "true"))).code, "USAGE", "the interrupted one comes first");
    const again = await world.run(...guard("killed", "--json", ...command));
    assert.deepEqual([again.exit, again.json().outcome, again.json().command], [1, "rolled back", null], again.stderr);
    assert.deepEqual(await digestOf(production), before);

    if (where === "Neon") return world.assertNothingLeft();
    // The application does not come up: production is set back.
    health.status = 500;
    const sick = await world.run(...guard("sick", "--rollback", "--json", "--", ...sql("create table public.more (id int)")));
    assert.deepEqual([sick.exit, sick.json().outcome], [1, "rolled back"], sick.stderr);
    assert.match(sick.json().reasons[0], /answered 500/);
    assert.deepEqual(await digestOf(production), before);
    health.status = 200;

    const summary = join(world.directory, "summary.md");
    Object.assign(world.env, { GITHUB_STEP_SUMMARY: summary });
    writeFileSync(summary, "");
    const good = await world.expect(0, ...guard("good", "--watch", "1s", "--json", "--", ...sql("create table public.invoices (id int)")));
    const { outcome, expiresAt, point, checks } = good.json();
    assert.equal(outcome, "succeeded");
    const days = (Date.parse(expiresAt) - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1, `it expires in ${days} days`);
    assert.deepEqual(
      checks.map(({ outcome: one }: { outcome: string }) => one),
      ["pass", "pass"],
    );
    assert.match(readFileSync(summary, "utf8"), /^### ✅ Guarded change `good` of `shop`: succeeded\n[\s\S]*\| point \| pre-deploy-good/);
    assert.equal(
      (await world.expect(0, "list", "shop", "--json")).json().points.find(({ id }: { id: string }) => id === point.id).hold,
      null,
    );
    await world.assertNothingLeft();
  });
}

test("R40 a trial on a scratch copy shows locks and differences, and stops a bad change", { skip }, async (t) => {
  const { world, production } = await onPostgres(t);
  await query(production, SHOP);
  const before = await digestOf(production);
  const change = "begin; alter table public.users add column email text; select pg_sleep(0.3); commit";
  const rehearsed = ["guard", "shop", "--feature", "email", "--rehearse", "--env", "DATABASE_URL", "--json", "--"];
  const refused = await world.run(...rehearsed, ...sql(change, "exit 3"));
  const result = refused.json();
  assert.deepEqual([refused.exit, result.outcome, result.command, result.trial.command.status], [1, "refused by trial", null, 3]);
  assert.ok(
    result.trial.altered.some((line: string) => /email/.test(line)),
    String(result.trial.altered),
  );
  assert.deepEqual(
    result.trial.tableLocks.map(({ table, mode }: { table: string; mode: string }) => [table, mode]),
    [["public.users", "AccessExclusiveLock"]],
  );
  assert.deepEqual(await digestOf(production), before);
  const { database } = partsOf(production);
  const good = await world.expect(0, ...rehearsed, ...sql(change));
  assert.deepEqual([good.json().outcome, good.json().trial.command.status], ["succeeded", 0]);
  assert.equal(
    (await query(production, "select count(email) as n, current_database()::text as name from public.users"))[0]?.name,
    database,
  );
  assert.equal((await world.run("guard", "shop", "--feature", "x", "--rehearse", "--json", "--", "true")).code, "USAGE");
  await world.assertNothingLeft();
});

test("R40 R25 a failed change loses nothing committed before it where there is a log archive, or says what", {
  skip,
}, async (t) => {
  const { world, shop: production, archive } = await beginWritten(t);
  await query(production, SHOP);
  await world.expect(0, "backup", "shop", "--kind", "base");
  Object.assign(world.env, { DATABASE_URL: production.url, PRODUCTION_URL: production.url });
  const psql = (name: string, statements: string): string =>
    `${postgresBin()}/psql -X -q -v ON_ERROR_STOP=1 -d "$${name}" -c "${statements}"`;
  // The trial on the copy comes after the point and before the command: meanwhile the application commits a row.
  const guard = async (id: number) => {
    const between = psql("PRODUCTION_URL", `insert into public.users values (${id}, 'committed before the command')`);
    const change = psql("DATABASE_URL", "delete from public.users where id < 20");
    const command = `if test "$DATABASE_URL" != "$PRODUCTION_URL"; then ${between}; exit; fi; ${change}; exit 7`;
    const rehearsed = ["--rehearse", "--env", "DATABASE_URL", "--rollback", "--json"];
    return world.run("guard", "shop", "--feature", `change-${id}`, ...rehearsed, "--", "/bin/sh", "-c", command);
  };
  const rows = async () =>
    (await query<{ id: number }>(production, "select id from public.users order by id"))
      .map(({ id }) => id)
      .filter((id) => id > 50 || id < 20);
  const first = Array.from({ length: 19 }, (_, n) => n + 1);

  const kept = await guard(1001);
  const { outcome, position, rollback, lossSeconds } = kept.json();
  assert.deepEqual([kept.exit, outcome, rollback.verdict, rollback.to, lossSeconds], [7, "rolled back", "pass", position, 0], kept.stderr);
  assert.deepEqual(await rows(), [...first, 1001]);

  // The log is no longer archived: the point is what is left, and the loss is told.
  archive.kill("SIGTERM");
  await archive.ended;
  const lost = (await guard(1002)).json();
  assert.deepEqual([lost.outcome, lost.rollback.verdict, lost.rollback.to], ["rolled back", "pass", "pre-deploy-change-1002"]);
  assert.ok(lost.position !== null && lost.lossSeconds > 0, String(lost.lossSeconds));
  assert.deepEqual(await rows(), [...first, 1001]);
  await world.assertNothingLeft();
});
