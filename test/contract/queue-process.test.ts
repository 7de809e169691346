// The queue contract on the queue of one process.
import { openProcessQueue } from "../../src/queue/process/queue.ts";
import { systemClock } from "../../src/system-clock.ts";
import { queueContract } from "./queue.ts";

queueContract("one process", async () => {
  let ahead = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + ahead) };
  const queue = openProcessQueue({ clock, attempts: 3, pauseMs: 60_000 });
  return {
    open: async () => queue,
    attempts: 3,
    async wait() {
      ahead += 3_600_000;
    },
    close: () => queue.close(),
  };
});
