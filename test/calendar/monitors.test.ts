// Every monitor: a planted cause opens its alert within one beat, its cure closes it, and no other alert appears.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type HealthCode, MONITORS } from "../../src/core/monitors.ts";
import { ATLAS, beginAtAtlas } from "../support/plants/atlas.ts";
import { ELSEWHERE } from "../support/plants/elsewhere.ts";
import { ARCHIVED, LOG } from "../support/plants/log.ts";
import { changesOf, tryPlants } from "../support/plants/plant.ts";
import { PROVIDER } from "../support/plants/provider.ts";
import { beginAtSlot, SLOT } from "../support/plants/slot.ts";
import { STORED } from "../support/plants/stored.ts";
import { beginStored } from "../support/plants/stored-world.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

test("R28 R36 what is wrong with backups of a MongoDB alerts by its cause alone, until its cure", async (t) => {
  const stored = await beginStored(t);
  await stored.beat();
  const { stdout } = await stored.world.expect(0, "alerts");
  assert.match(
    stdout,
    /^critical {2}shop: NO_BACKUP: .*\n {2}next: lifeboat backup shop\nwarning {2}shop: DRILL_MISSING: .*\n {2}next: lifeboat drill shop\n$/,
  );
  await stored.backup();
  await stored.backup();
  await stored.drill();
  assert.deepEqual(changesOf(await stored.beat()), ["closed DRILL_MISSING", "closed NO_BACKUP"]);
  await tryPlants(stored, STORED);
});

test("R36 backup turned off at Atlas alerts within one beat, and so do drift and an orphaned cluster", async (t) => {
  const at = await beginAtAtlas(t);
  await at.beat();
  await tryPlants(at, ATLAS);
});

test("R28 R36 what is wrong in an archive of an oplog alerts by its cause alone, until its cure", async (t) => {
  const stored = await beginStored(t, ARCHIVED);
  await stored.backup();
  for (let n = 0; n < 3; n++) await stored.archive();
  await stored.drill();
  assert.deepEqual(changesOf(await stored.beat()), []);
  await tryPlants(stored, LOG);
});

test("R36 a replication slot that is not read, or has lost WAL, alerts until it is read again", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const at = await beginAtSlot(t);
  await at.beat();
  assert.deepEqual(changesOf(await at.beat()), []);
  await tryPlants(at, SLOT);
});

test("R36 every monitor has a planted cause and a cure", () => {
  const planted = { ...STORED, ...PROVIDER, ...ATLAS, ...LOG, ...SLOT, ...ELSEWHERE } satisfies Record<HealthCode, unknown>;
  assert.deepEqual(Object.keys(planted).sort(), Object.keys(MONITORS).sort());
  for (const [code, file] of Object.entries(ELSEWHERE))
    assert.ok(readFileSync(join(import.meta.dirname, "../..", file), "utf8").includes(code), `${file} plants no ${code}`);
});
