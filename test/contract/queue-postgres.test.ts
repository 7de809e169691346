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
