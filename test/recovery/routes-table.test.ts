// Every way back: each source, target, verb and destination is exact by one route, or refused for a stated reason. docs/routes.md is the
// table; LIFEBOAT_WRITE=routes writes it anew.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import type { Plan } from "../../src/core/plan.ts";
import { isLifeboatError, openLifeboat } from "../../src/index.ts";
import { archiveSource, until } from "../support/archive.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";
import { providerOf } from "../support/neon-provider.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";

const skip = skipWithoutPostgres();
const TABLE = join(import.meta.dirname, "../../docs/routes.md");

const SOURCES = { shop: "PostgreSQL, WAL archived", branches: "Neon", docs: "MongoDB, oplog archived", sessions: "Atlas" };
type Name = keyof typeof SOURCES;

test("R22 R25 R58 every route, destination and verb is exact, or refused for the reason in docs/routes.md", {
  skip,
}, async (t) => {
  const { lifeboat, instant, directory, points } = await beginAll(t);
  type Planned = Promise<Pick<Plan, "refusals" | "route">>;
  const columns: Readonly<Record<string, (source: Name, to: string) => Planned>> = {
    "restore --into NAME": (source, to) => lifeboat.plan("restore", { source, to, into: "copy" }),
    "restore --into DIRECTORY": (source, to) => lifeboat.plan("restore", { source, to, into: join(directory, "copy") }),
    "restore --into scratch": (source, to) => lifeboat.plan("restore", { source, to, into: "scratch" }),
    restore: (source, to) => lifeboat.plan("restore", { source, to }),
    "restore --in-place": (source, to) => lifeboat.plan("restore", { source, to, inPlace: true, yes: source }),
    "restore --tables, --into NAME": (source, to) => lifeboat.plan("restore", { source, to, tables: ["items"], into: "copy" }),
    "restore --tables": (source, to) => lifeboat.plan("restore", { source, to, tables: ["items"] }),
    recover: async (source, to) => {
      const { plans } = await lifeboat.plan("recover", { to });
      return plans.find((plan) => plan.source === source) ?? assert.fail(source);
    },
    drill: async (source, to) => (await lifeboat.plan("drill", { source, to })).plans[0] ?? assert.fail(source),
    preview: (source, to) => lifeboat.plan("preview", { source, to, ...question(source) }),
  };
  const rows: string[][] = [];
  for (const [source, words] of Object.entries(SOURCES) as [Name, string][]) {
    for (const [target, to] of Object.entries({ latest: "latest", "an instant": instant, "a backup": points[source] })) {
      const cells = await Promise.all(
        Object.values(columns).map((plan) => cellOf(() => plan(source, to), target === "an instant" ? to : "")),
      );
      rows.push([words, target, ...cells]);
    }
  }
  const head = ["source", "target", ...Object.keys(columns).map((name) => `\`${name}\``)];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const found = `${INTRODUCTION}\n${lines.join("\n")}\n`;
  if (process.env.LIFEBOAT_WRITE === "routes") writeFileSync(TABLE, found);
  assert.equal(found, readFileSync(TABLE, "utf8"));
});

const INTRODUCTION = `# Routes

How each source is brought to each target, by verb and destination. A test compares this table with what the program plans
(\`test/recovery/routes-table.test.ts\`). \`provider\`: the provider's history. \`cluster\`: a base backup and its WAL. \`copy\`: a stored
backup, with its log where one is archived. Every route that is named reaches the target exactly; otherwise the error code is given.
`;

const question = (source: Name) =>
  source === "docs" || source === "sessions" ? { collection: "items", aggregate: "[]" } : { query: "select 1" };

async function cellOf(plan: () => Promise<Pick<Plan, "refusals" | "route">>, wanted: string): Promise<string> {
  try {
    const { refusals, route } = await plan();
    const [refusal] = refusals;
    if (refusal !== undefined) return refusal.code;
    // Atlas takes whole seconds: the instant is one.
    if (wanted !== "") assert.equal(route?.holds?.at.slice(0, 19), wanted.slice(0, 19), "an instant is reached exactly");
    return route?.kind ?? assert.fail("no route");
  } catch (error) {
    if (isLifeboatError(error)) return error.code;
    throw error;
  }
}

/** One source of each kind, each with a backup, and an instant that all of them held the same at. */
async function beginAll(t: TestContext) {
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  const neon = await startRealNeon({ plan: "launch" });
  t.after(() => neon[Symbol.asyncDispose]());
  const [docs, scratch] = [await beginMongoWorld(), await beginMongoWorld()];
  t.after(() => Promise.all([docs, scratch].map((one) => one[Symbol.asyncDispose]())));
  const atlas = await startAtlasSandbox({ speed: 4000 });
  const client = new MongoClient(atlas.url);
  t.after(async () => {
    await client.close();
    await atlas.close();
  });
  const branch = await providerOf(neon.sandbox, { timeouts: { coldStartMs: 60_000, requestMs: 60_000 } }).connection();
  const write = async (n: number): Promise<void> => {
    for (const each of [shop, branch]) await query(each, `create table if not exists items (n int); insert into items values (${n})`);
    for (const each of [docs.db("shop"), client.db("shop")]) await each.collection<{ n: number }>("items").insertOne({ n });
  };
  await write(1);
  const world = await beginWorld(t, {
    sources: { shop },
    neon: { branches: neon.sandbox },
    mongo: { docs: { url: docs.url("shop"), scratch: scratch.url() } },
    atlas: { sessions: atlas },
    source: "policy: p",
    yaml: "policies: { p: { window: 24h } }\n",
    env: { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password },
  });
  editConfig(world, (text) =>
    text
      .replace("provider: postgres,", "provider: postgres, archive: { partialEvery: 1s },")
      .replace("provider: mongodb,", "provider: mongodb, archive: { partialEvery: 1s },")
      .replace("provider: atlas,", "provider: atlas, database: shop,"),
  );
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());
  await lifeboat.run("apply", { source: "sessions" });
  const points = { shop: "", branches: "", docs: "", sessions: "" };
  for (const source of Object.keys(points) as Name[]) {
    points[source] = (await lifeboat.run("backup", { source, kind: "full" })).made[0]?.id ?? "";
  }
  await lifeboat.run("backup", { source: "shop", kind: "base" });
  const archiving = [world.start("archive", "shop"), world.start("archive", "docs")];
  await write(2);
  await sleep(2_000);
  const instant = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
  await sleep(1_100);
  await write(3);
  for (const source of ["shop", "docs"]) {
    await until(`the log of ${source} reaches the instant`, async () => {
      const { sources } = await lifeboat.run("status", { source });
      return (sources[0]?.window?.latest ?? "") > instant;
    });
  }
  for (const one of archiving) one.kill("SIGTERM");
  await Promise.all(archiving.map(({ ended }) => ended));
  return { lifeboat, instant, directory: world.directory, points };
}
