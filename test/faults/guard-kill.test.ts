// kill -9 in each step of a guard whose change fails: the same command, run again, ends with the data that it began with.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const SHOP =
  "create table public.users (id int primary key, name text); insert into public.users select i, 'u' || i from generate_series(1, 50) i";
const CHANGE = "alter table public.users add column half int; delete from public.users where id < 20";
/** Steps of the guard's journal, in their order. The command has its own test. */
const STEPS = ["point", "compare", "roll back"] as const;

const PLACES = {
  async PostgreSQL(t: TestContext) {
    const production = await freshDatabase();
    return { production, world: await beginWorld(t, { sources: { shop: production }, env: { DATABASE_URL: production.url } }) };
  },
  async Neon(t: TestContext) {
    const neon = await startRealNeon({ plan: "scale" });
    t.after(() => neon.sandbox.close());
    const production = { url: neon.sandbox.url, label: "production" };
    const env = { DATABASE_URL: production.url };
    return { production, world: await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox }, env }) };
  },
} satisfies Record<string, (t: TestContext) => Promise<{ readonly production: Connection; readonly world: World }>>;

/** The journals of guards, oldest first, as text. */
function guards({ repository }: World): string[] {
  const folder = join(repository, "jobs");
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  return names
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .filter((text) => text.includes('"verb": "guard"'));
}

for (const [where, begin] of Object.entries(PLACES)) {
  test(`R40 ${where}: a guard that is killed in any step ends, run again, with the first data`, {
    skip: skipWithoutPostgres(),
  }, async (t) => {
    const { production, world } = await begin(t);
    await query(production, SHOP);
    const engine = openPostgresEngine();
    const digest = async (): Promise<unknown> => {
      const { schema, tables } = await engine.fingerprint(production, { kind: "full" });
      return { schema, tables };
    };
    const before = await digest();
    const line = `${postgresBin()}/psql -X -q -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -c "${CHANGE}" && exit 7`;
    for (const step of STEPS) {
      const args = ["guard", "shop", "--feature", step.replace(" ", "-"), "--rollback", "--json", "--", "/bin/sh", "-c", line];
      const known = guards(world).length;
      let over = false;
      const running = world.start(...args);
      const ended = running.ended.finally(() => {
        over = true;
      });
      while (!over && guards(world)[known]?.includes(`"name": "${step}"`) !== true) await sleep(10);
      running.kill("SIGKILL");
      const { signal, stderr } = await ended;
      assert.equal(signal, "SIGKILL", `${step}: ${stderr}`);
      const again = await world.run(...args);
      // Before the command ran there was nothing to continue: the change runs now, and fails.
      assert.equal(again.exit, step === "point" ? 7 : 1, `${step}: ${again.stderr}${again.stdout}`);
      assert.equal(again.json().outcome, "rolled back", step);
      assert.deepEqual(await digest(), before, step);
    }
    await world.assertNothingLeft();
  });
}
