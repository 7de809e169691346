// The queue contract on PostgreSQL, with a connection for each of two machines.
import { setTimeout } from "node:timers/promises";
import { parseWork } from "../../src/operations/work/items.ts";
import type { Queue } from "../../src/ports/queue.ts";
import { openPostgresQueue } from "../../src/queue/postgres/queue.ts";
import { systemClock } from "../../src/system-clock.ts";
import { freshDatabase, skipWithoutPostgres } from "../support/postgres.ts";
import { queueContract } from "./queue.ts";

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
