// An attacker who can write to the storage plants journals about places and points at a provider, or puts old ones back.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { providerOf as atlasProviderOf } from "../support/atlas-provider.ts";
import { beginNeonPlace, type NeonPlace } from "../support/neon-kill.ts";
import { clearLeases, forget, keyOf, newJobId, plantJob, trust } from "../support/planted.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();
const PAST = "2026-01-01T00:00:00.000Z";
const SQL = "create table users (id int primary key); insert into users select generate_series(1, 100)";

/** Plants them under every signature there may be; each time nothing is removed, and nothing is called clean. */
async function plantEach(world: World, resources: readonly Resource[], look: (who: string) => Promise<void>, id?: string): Promise<void> {
  const other = generateWriter();
  trust(world, other.publicKey);
  for (const [who, key] of Object.entries({ "no key": undefined, "another writer": other.pem, "this writer": keyOf(world) })) {
    await plantJob(world, resources, { key, ...(id === undefined ? {} : { id }) });
    const { recovered } = (await world.expect(3, "jobs", "recover", "--json")).json();
    assert.deepEqual([recovered.length, recovered[0].removed], [1, []], who);
    assert.equal(recovered[0].left.length, who === "no key" ? 1 : resources.length, `${who}: ${JSON.stringify(recovered[0].left)}`);
    await look(who);
    clearLeases(world);
  }
}

async function shapeOf({ neon }: NeonPlace): Promise<unknown> {
  const { branches } = await neon.expect(200, "GET", "/branches");
  return branches
    .map(({ id, name, default: isDefault, protected: isProtected }: Record<string, unknown>) => [id, name, isDefault, isProtected])
    .sort();
}

async function makeBranch({ neon }: NeonPlace, name: string): Promise<string> {
  const { branch } = await neon.expect(201, "POST", "/branches", { branch: { name }, endpoints: [{ type: "read_write" }] });
  return branch.id;
}

test("R56 a planted journal changes nothing at Neon: production, other branches and points stay", { skip }, async (t) => {
  const place = await beginNeonPlace(t, SQL);
  const { neon } = place;
  const [production] = await place.branches();
  await neon.expect(200, "PATCH", `/branches/${production?.id}`, { branch: { protected: true } });
  const job = newJobId();
  const staging = await makeBranch(place, "staging");
  await makeBranch(place, `lifeboat-scratch-${job}`);
  const before = await shapeOf(place);
  const { projectId } = neon.sandbox;
  const source = "shop";
  const resources: Resource[] = [
    { kind: "promotion", locator: { source, job, branch: staging, name: "main", keepAs: "production" } },
    { kind: "snapshot-removal", locator: { source, id: staging, name: "staging", form: "branch" } },
    { kind: "snapshot", locator: { source, name: "staging", form: "branch", notBefore: PAST } },
    { kind: "kept-branch", locator: { source, job, name: "staging", former: "" } },
    ...["staging", "production", `lifeboat-scratch-${job}`].map((name) => ({
      kind: "neon-branch",
      locator: { projectId, name, notBefore: PAST },
    })),
  ];
  await plantEach(
    place,
    resources,
    async (who) => {
      assert.deepEqual(await shapeOf(place), before, who);
      const { points } = (await place.expect(0, "list", "--json")).json();
      assert.deepEqual(points, [], `${who}: no record was made of what is another's`);
    },
    job,
  );
});

/** A journal of a job that ended well, as it was before: everything in it still open. */
async function replayed(world: World, verb: string): Promise<Resource[]> {
  const { jobs } = (await world.expect(0, "jobs", "--json")).json();
  const job = jobs.find((one: { verb: string; state: string }) => one.verb === verb && one.state === "done");
  const open = job.resources.map(({ kind, locator }: Resource) => ({ kind, locator }));
  for (const [known, why] of [
    [true, /it ended on this machine, and its journal was put back since/],
    [false, /is not known/],
  ] as const) {
    if (!known) forget(world);
    await plantJob(world, open, { key: keyOf(world), id: job.id, verb });
    const ran = await world.expect(3, "jobs", "recover");
    assert.match(ran.stdout, why);
    assert.doesNotMatch(ran.stdout, /removed: /);
    clearLeases(world);
  }
  return open;
}

test("R56 old journals of finished jobs delete no restored branch and no point at Neon, and undo nothing", { skip }, async (t) => {
  const place = await beginNeonPlace(t, SQL);
  await place.expect(0, "restore", "shop", "--to", "latest", "--into", "back");
  await place.expect(0, "backup", "shop", "--kind", "snapshot", "--name", "by-hand");
  const before = await shapeOf(place);
  assert.deepEqual(
    (await replayed(place, "restore")).map(({ kind }) => kind),
    ["neon-branch"],
  );
  assert.deepEqual(await shapeOf(place), before);
});

async function beginAtlas(t: TestContext, clusters: readonly string[]) {
  const atlas = await startAtlasSandbox({ speed: 20_000, clusters: [{}, ...clusters.map((name) => ({ name }))] });
  t.after(() => atlas.close());
  const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
  const world = await beginWorld(t, {
    sources: {},
    atlas: { shop: atlas },
    source: "database: shop, policy: p",
    yaml: "policies: { p: { window: 48h } }\n",
    env,
  });
  return { atlas, world };
}

test("R56 a planted journal deletes nothing at Atlas, and an orphan without proof is only named", async (t) => {
  const id = newJobId();
  const { atlas, world } = await beginAtlas(t, ["staging", `lifeboat-${id}`]);
  const scratch = atlas.store.clusters.get(`lifeboat-${id}`);
  assert.ok(scratch);
  // All that is public of a job is in the tag: only its proof is not.
  scratch.settings = { ...scratch.settings, tags: [{ key: "lifeboat", value: id }] };
  const byHand = await atlasProviderOf(atlas).snapshots.create({ form: "snapshot", name: "by-hand" });
  const names = () => atlas.clusters().map(({ name }) => name);
  const before = names();
  const { groupId } = atlas;
  const source = "shop";
  const cluster = (name: string): Resource => ({ kind: "atlas-cluster", locator: { groupId, name, tag: id } });
  const resources: Resource[] = [
    ...["staging", `lifeboat-${id}`, atlas.cluster].map(cluster),
    { kind: "snapshot", locator: { source, name: "by-hand", form: "snapshot", notBefore: PAST } },
    { kind: "snapshot-removal", locator: { source, id: byHand.id, name: "by-hand", form: "snapshot" } },
    { kind: "kept-branch", locator: { source, job: id, name: "by-hand", former: "" } },
  ];
  await plantEach(
    world,
    resources,
    async (who) => {
      assert.deepEqual(names(), before, who);
      assert.ok(
        (await atlasProviderOf(atlas).snapshots.list()).some((one) => one.id === byHand.id),
        who,
      );
    },
    id,
  );
  const ran = await world.expect(3, "jobs", "recover", "--json");
  assert.deepEqual(
    ran.json().orphans.map(({ name, outcome }: { name: string; outcome: string }) => [name, outcome]),
    [[`lifeboat-${id}`, "unknown"]],
  );
  assert.deepEqual(names(), before);
});

test("R56 the old journal of a finished restore deletes no cluster at Atlas", async (t) => {
  const { atlas, world } = await beginAtlas(t, []);
  await world.expect(0, "backup", "shop", "--kind", "snapshot", "--name", "base");
  await world.run("restore", "shop", "--to", "base", "--into", "back");
  assert.ok(atlas.clusters().some(({ name }) => name === "back"));
  assert.deepEqual(
    (await replayed(world, "restore")).map(({ kind }) => kind),
    ["atlas-cluster"],
  );
  assert.ok(atlas.clusters().some(({ name }) => name === "back"));
});
