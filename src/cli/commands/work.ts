// lifeboat work, lifeboat workers, lifeboat workers release
import type * as z from "zod/mini";
import { formatBytes, formatInstant } from "../../core/duration.ts";
import { listOf } from "../../core/option.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { work, workers, workersRelease } from "../../operations/verbs/work.ts";
import { defineCommand } from "../command.ts";
import { growSlowly } from "../heap.ts";
import type { Paint } from "../render/paint.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

export const workCommand = defineCommand({
  description:
    "Makes this machine a worker: it takes work from the queue that the configuration names (`queue`), as long as it has room for it, until it is stopped (Ctrl-C, SIGTERM). What it had begun and not finished is handed back at once. The items of a worker that dies are taken over by another after `workers.takeOver`. `lifeboat serve`, or `lifeboat tick` from cron, puts what is due on the queue; any number of them puts it once.",
  arguments: {},
  options: {
    name: { type: text, value: "NAME", help: "Name of this worker. Default: host and process." },
    jobs: { type: integer(1), value: "N", help: "Items of work at the same time. Default: `workers.jobs`." },
    labels: { type: listOf(text), value: "LABELS", help: "Labels of this worker. Default: `workers.labels`." },
    idle: { type: flag, help: "End when there is nothing left that this worker can take." },
  },
  json: true,
  examples: ["lifeboat work --jobs 4 --labels eu,large"],
  run(call) {
    growSlowly();
    return perform(call, work, call.options, ({ done, idle, busy, stopped, failed }) =>
      [
        `${done} done, ${idle} no longer due, ${busy} left to another job, ${stopped} handed back, ${failed.length} failed`,
        ...failed.map(({ key, error, parked }) => `${key}: ${error.code}: ${error.message}${parked ? " (parked)" : ""}`),
      ].join("\n"),
    );
  },
});

export const workersCommand = defineCommand({
  description:
    "The workers that share the queue, what each has room for and why it takes an item not, and the items that wait, run or are parked. A parked item failed too often, or with an error that needs a person; an alert is open for it.",
  arguments: {},
  options: {},
  json: true,
  run: (call) => perform(call, workers, {}, (result) => renderWorkers(result, call.paint)),
});

export const workersReleaseCommand = defineCommand({
  description: "Lets a parked item be tried again, once its cause is gone.",
  arguments: { key: { type: text, required: true, help: "Key of the item, as `lifeboat workers` shows it." } },
  options: {},
  json: true,
  examples: ["lifeboat workers release backup:shop:2026-11-29T02:00:00.000Z"],
  run: (call) => perform(call, workersRelease, call.args, ({ key }) => `${key} waits for a worker`),
});

function renderWorkers({ workers: all, items }: z.infer<typeof workers.result>, paint: Paint): string {
  const titles = (names: string[]) => names.map((title) => ({ title }));
  const machines = all.map(({ name, jobs, running, diskBytes, memoryBytes, labels, seenAt }) => [
    name,
    `${running.length} of ${jobs}`,
    formatBytes(diskBytes),
    formatBytes(memoryBytes),
    labels.join(", "),
    formatInstant(new Date(seenAt)),
  ]);
  const rows = items.map(({ key, state, attempts, error }) => [
    key,
    state === "parked" ? paint.red(state) : state,
    String(attempts),
    error === null ? "" : `${error.code}: ${error.message}`,
  ]);
  return [
    all.length === 0
      ? "no worker is running; next: lifeboat work"
      : renderTable(titles(["worker", "jobs", "free disk", "memory", "labels", "seen"]), machines, { paint }),
    ...all.flatMap(({ name, declined }) => declined.map(({ key, reason }) => `${name} does not take ${key}: ${reason}`)),
    items.length === 0 ? "the queue is empty" : renderTable(titles(["item", "state", "attempts", "last error"]), rows, { paint }),
  ].join("\n");
}
