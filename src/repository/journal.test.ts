import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../test/support/memory-storage.ts";
import { drivenClock, temporaryDirectory, testTrust } from "../../test/support/repository.ts";
import { openCatalog } from "./catalog.ts";
import { Journal } from "./journal.ts";
import { createRepository } from "./open.ts";

test("R53 a machine reads a journal once, also by several processes, and again when it was changed", async (t) => {
  const clock = drivenClock();
  const storage = memoryStorage(clock);
  const read: string[] = [];
  const counted = {
    ...storage,
    get(name: string, options?: Parameters<typeof storage.get>[1]) {
      if (name.endsWith(".json")) read.push(name);
      return storage.get(name, options);
    },
  };
  const repository = await createRepository(counted, [], clock, testTrust());
  const prepare = (id: string): Journal => Journal.prepare(repository, clock, { id, verb: "expire", source: "shop", lifeboat: "0" });
  const [ended, running] = [prepare("1m8m33p2w3kbsg"), prepare("1m8m33nkz16hz1")];
  for (const journal of [ended, running]) await journal.write();
  await ended.end({});
  const directory = await temporaryDirectory(t);
  /** What a process reads that begins now. */
  const states = async (): Promise<string[]> => {
    const catalog = openCatalog(repository, directory, () => clock.now().getTime());
    const found: string[] = [];
    read.length = 0;
    for await (const { id, state } of catalog.jobsSince(new Date(0))) found.push(`${id} ${state}`);
    catalog.close();
    return found.sort();
  };
  const before = [`${running.record.id} running`, `${ended.record.id} done`];
  assert.deepEqual(await states(), before);
  assert.equal(read.length, 2);
  assert.deepEqual(await states(), before);
  assert.deepEqual(read, []);
  await running.end({});
  assert.deepEqual(await states(), [`${running.record.id} done`, `${ended.record.id} done`]);
  assert.deepEqual(read, [running.name]);
  await ended.write();
  await states();
  assert.deepEqual(read, [ended.name]);
  clock.advance(41 * 86_400_000);
  await states();
  assert.equal(read.length, 2, "those of long ago are not kept");
});
