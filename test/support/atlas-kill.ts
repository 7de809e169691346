// A source at the sandbox of Atlas, and the real program killed at the Nth request that it sends there.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { type AtlasSandbox, startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { atMoments } from "./every.ts";
import { beginWorld, type World } from "./program.ts";

/** Far more requests than any command makes at this speed: reaching it means that one never ends. */
const TOO_MANY = 200;
/** Eight minutes of the real service in 24 ms: few requests are spent on waiting. */
const SPEED = 20_000;
const SOURCE = "database: shop, policy: p, checks: [{ collection: users, rows: { min: 1 } }]";
const POLICY = "policies: { p: { window: 48h } }\n";

/** The API stops answering before or after the effect of the request. */
export type Silence = "stallBefore" | "stallAfter";

export interface AtlasPlace extends World {
  readonly atlas: AtlasSandbox;
  readonly client: MongoClient;
  clusters(): string[];
  users(): Promise<number>;
}

/** The sandbox with a hundred users, and the program with a source there. */
export async function beginAtlasPlace(t: TestContext): Promise<AtlasPlace> {
  const atlas = await startAtlasSandbox({ speed: SPEED });
  const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
  t.after(async () => {
    await client.close();
    await atlas.close();
  });
  const users = client.db("shop").collection("users");
  await users.insertMany(Array.from({ length: 100 }, (_, n) => ({ n })));
  const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
  const world = await beginWorld(t, { sources: {}, atlas: { shop: atlas }, source: SOURCE, yaml: POLICY, env });
  const clusters = (): string[] => atlas.clusters().map(({ name }) => name);
  return { ...world, atlas, client, clusters, users: () => users.countDocuments() };
}

const CHANGES = ["POST", "PATCH", "DELETE"] as const;

/** Runs the command until its Nth request (of those that change something, after them), and kills it there. False: it ended before. */
export async function killedAtRequest(place: AtlasPlace, n: number, silence: Silence, ...args: readonly string[]): Promise<boolean> {
  if (n > TOO_MANY) throw new Error(`lifeboat ${args[0]} makes more than ${TOO_MANY} requests`);
  const { faults } = place.atlas;
  // What only asks is the same before and after, so only changes are killed after. Each method is counted by itself.
  const path = /^\/groups\//;
  const methods = silence === "stallAfter" ? CHANGES.map((method) => ({ method, path })) : [{ path }];
  const planned = methods.map((one) => faults.next({ ...one, skip: n - 1, times: Number.POSITIVE_INFINITY, effect: { kind: silence } }));
  const running = place.start(...args);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && planned.every(({ hits }) => hits === 0)) await sleep(5);
  if (!over) {
    await sleep(silence === "stallAfter" ? 100 : 0); // what was asked for is done, and only the answer is missing
    running.kill("SIGKILL");
  }
  const { signal, exit, stderr } = await running.ended;
  await faults.clear();
  if (signal === "SIGKILL") return true;
  assert.equal(exit, 0, stderr);
  return false;
}

/** Kills at every `step`th request, cleans up each time, and looks. Gives how often it was killed. */
export async function atEveryRequest(
  place: AtlasPlace,
  silence: Silence,
  args: readonly string[],
  look: (context: string, killed: boolean) => Promise<void>,
  step = silence === "stallAfter" ? 1 : 6,
): Promise<number> {
  return await atMoments(step, async (n) => {
    const context = `lifeboat ${args.join(" ")}, ${silence} request ${n}`;
    const killed = await killedAtRequest(place, n, silence, ...args);
    const { recovered, orphans } = (await place.expect(0, "jobs", "recover", "--json")).json();
    for (const { left } of recovered) assert.deepEqual(left, [], context);
    for (const { outcome } of orphans) assert.equal(outcome, "removed", context);
    await place.assertNothingLeft();
    await look(context, killed);
    return killed;
  });
}
