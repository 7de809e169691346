// Lifeboat as a library, on the configuration that its users have.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ID_RANDOM_BYTES, isLifeboatError, type JobEvent, makeId, openLifeboat } from "../../src/index.ts";
import { jobEvent } from "../../src/operations/jobs/events.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const newId = (): string => makeId(new Date(), randomBytes(ID_RANDOM_BYTES));

test("R51 the library runs operations concurrently with separate events, and refuses invalid requests", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const [shop, blog] = [await freshDatabase(), await freshDatabase()];
  for (const source of [shop, blog]) await query(source, "create table t as select generate_series(1, 100) as id");
  const world = await beginWorld(t, { sources: { shop, blog } });
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());

  const events: Record<string, JobEvent[]> = { shop: [], blog: [] };
  const ids: Record<string, string> = { shop: newId(), blog: newId() };
  const backup = (source: string) =>
    lifeboat.run("backup", { source }, { events: (event) => void events[source]?.push(event), jobId: ids[source] });
  const made = await Promise.all(Object.keys(events).map(backup));
  assert.deepEqual(
    made.map(({ made: [one] }) => [one?.source, one?.kind]),
    [
      ["shop", "full"],
      ["blog", "full"],
    ],
  );
  for (const [source, told] of Object.entries(events)) {
    assert.deepEqual([...new Set(told.map((event) => event.source))], [source]);
    assert.deepEqual([...new Set(told.map(({ job }) => job))], [ids[source]], "each job has the id that its caller gave it");
    for (const event of told) jobEvent.parse(event);
    assert.deepEqual([told[0]?.type, told.at(-1)?.type], ["begin", "end"]);
  }
  const told = events.shop?.length;
  await assert.rejects(backup("shop"), (error) => isLifeboatError(error, "JOB_EXISTS"));
  assert.equal(events.shop?.length, told, "nothing began");
  const { jobs } = await lifeboat.run("jobs", {});
  assert.deepEqual(jobs.map(({ id, source }) => [source, id]).sort(), Object.entries(ids).sort());
  for (const call of [lifeboat.run("backup", { due: true }, { jobId: newId() }), lifeboat.run("list", {}, { jobId: newId() })])
    await assert.rejects(call, (error) => isLifeboatError(error, "USAGE"));

  const same = newId();
  const twice = ["shop", "shop", "blog"].map((source) => lifeboat.run("backup", { source }, { jobId: same }));
  const [one, two, other] = await Promise.allSettled(twice);
  assert.deepEqual([one?.status, two, other?.status], ["fulfilled", one, "rejected"], "the same call gets the job that runs");

  const id = newId();
  await world.expect(0, "--job", id, "drill", "shop", "--json");
  assert.equal((await world.expect(0, "jobs", "--limit", "1", "--json")).json().jobs[0].id, id, "a program gives it by an option");
  for (const args of [["drill", "shop"], ["drill"], ["restore", "shop", "--into", "x", "--plan"], ["completion", "bash"]])
    assert.equal((await world.run("--job", id, ...args)).exit, 2, args.join(" "));

  const { points } = await lifeboat.run("list", {});
  assert.deepEqual(points.map(({ source }) => source).sort(), ["blog", "shop", "shop"]);
  const recovering: JobEvent[] = [];
  await lifeboat.run("recover", { to: "latest", nearest: true }, { events: (event) => void recovering.push(event) });
  const stepped = new Set(recovering.filter(({ type }) => type === "step").map(({ job, source }) => `${source} ${job}`));
  assert.deepEqual([...stepped].map((one) => one.split(" ")[0]).sort(), ["blog", "shop"], "each step is of the job of its source");
  assert.ok(!recovering.some(({ type, job }) => type === "step" && job === null));

  const plan = await lifeboat.plan("restore", { source: "shop", into: "shop_new" });
  assert.deepEqual(plan.refusals, []);
  await assert.rejects(lifeboat.run("hold", JSON.parse('{"point":"x","maybe":true}')), (error) => isLifeboatError(error, "USAGE"));
});
