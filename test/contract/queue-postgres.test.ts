// The queue contract on PostgreSQL, with a connection for each of two machines.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { parseWork } from "../../src/operations/work/items.ts";
import type { Queue } from "../../src/ports/queue.ts";
import { openPostgresQueue } from "../../src/queue/postgres/queue.ts";
import { systemClock } from "../../src/system-clock.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { queueContract, workItem } from "./queue.ts";

const ORDER = { attempts: 2, pauseMs: 1000, takeOverMs: 10_000 };

queueContract(
  "PostgreSQL",
  async () => {
    const { url } = await freshDatabase();
    const opened: Queue[] = [];
    return {
      async open() {
        const queue = await openPostgresQueue({ address: url, ...ORDER, clock: systemClock, parse: parseWork });
        opened.push(queue);
        return queue;
      },
      attempts: ORDER.attempts,
      wait: () => setTimeout(2500),
      close: async () => void (await Promise.all(opened.map((queue) => queue.close()))),
    };
  },
  skipWithoutPostgres(),
);

test("R53 PostgreSQL: a row that is not a work item stops no worker", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const database = await freshDatabase();
  const open = () => openPostgresQueue({ address: database.url, ...ORDER, clock: systemClock, parse: parseWork });
  const queue = await open();
  t.after(() => queue.close());
  await query(database, "insert into lifeboat_queue.job (name, data, priority) values ('work', null, 99), ('work', '{}', 98)");
  await queue.put([workItem("ours")]);
  const claim = await queue.take(([item]) => item);
  assert.equal(claim?.item.key, "ours");
});

test("R53 PostgreSQL: a worker reads the first of many items, and all of them only when none of those fits", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const { url } = await freshDatabase();
  const queue = await openPostgresQueue({ address: url, ...ORDER, clock: systemClock, parse: parseWork });
  t.after(() => queue.close());
  const keys = Array.from({ length: 120 }, (_, at) => `item-${at}`);
  await queue.put(keys.map((key) => workItem(key)));
  const read: number[] = [];
  const take = (fits: (key: string) => boolean) =>
    queue.take((waiting) => {
      read.push(waiting.length);
      return waiting.find(({ key }) => fits(key));
    });
  const claimed = await take(() => true);
  assert.ok(claimed !== undefined);
  const last = (await queue.list()).at(-1)?.item.key;
  assert.equal((await take((key) => key === last))?.item.key, last);
  assert.equal(await take(() => false), undefined);
  assert.deepEqual(read, [50, 50, 119, 50, 118]);
  // One that is handed back has its place again.
  await claimed.handBack();
  const again = await queue.list();
  assert.equal(again.length, 120);
  assert.equal((await take(() => true))?.item.key, again.find(({ state }) => state === "waiting")?.item.key);
});
