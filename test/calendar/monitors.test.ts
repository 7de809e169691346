// Every monitor: a planted cause opens its alert within one beat, its cure closes it, and no other alert appears.
import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, tryPlant } from "../support/plants/plant.ts";
import { STORED } from "../support/plants/stored.ts";
import { beginStored } from "../support/plants/stored-world.ts";

test("R36 what is wrong in the repository or with its jobs alerts by its cause alone, until its cure", async (t) => {
  const stored = await beginStored(t);
  await stored.backup();
  await stored.backup();
  await stored.drill();
  assert.deepEqual(changesOf(await stored.beat()), []);
  for (const [code, plant] of Object.entries(STORED)) await tryPlant(stored, code, plant);
});
