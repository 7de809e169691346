// lifeboat work: this machine takes work from the shared queue until it is stopped. lifeboat workers: what is on it, and who takes it.
import { hostname } from "node:os";
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import type { Context, Workplace } from "../context.ts";
import { operation } from "../operation.ts";
import { about, bytes, count, instant, orNull, sourceName } from "../schemas.ts";
import { work as runWorker } from "../work/worker.ts";

/** How often an idle worker looks at the queue. */
const POLL_MS = 2000;
/** How many failures its result names. */
const SHOWN = 100;

const workError = z.strictObject({ code: about(z.string(), "As in docs/errors.md."), message: z.string() });
const key = about(z.string(), "Names the due slot.");

const failedItem = z.strictObject({ key, error: workError, parked: about(z.boolean(), "It waits for `workers release`.") });

export const work = operation({
  name: "work",
  access: "backup",
  local: "all",
  request: z.strictObject({
    name: z.optional(about(z.string(), "Of this worker, for `workers`. Default: host and process.")),
    jobs: z.optional(about(z.int().check(z.positive()), "Items at the same time. Default: `workers.jobs`.")),
    labels: z.optional(about(z.array(z.string()), "Default: `workers.labels`.")),
    idle: z.optional(about(z.boolean(), "End when there is nothing left that this worker can take.")),
  }),
  result: z.strictObject({
    done: about(count, "Items that it did."),
    idle: about(count, "Items of which nothing was due any longer."),
    busy: about(count, "Items that another job worked on."),
    stopped: about(count, "Items that it handed back."),
    failed: about(z.array(failedItem), "The last 100."),
  }),
  async run(context, { name = `${hostname()}-${process.pid}`, jobs, labels, idle }) {
    const place = sharedPlace(context);
    const ended = { done: 0, idle: 0, busy: 0, stopped: 0 };
    const failed: z.infer<typeof failedItem>[] = [];
    await runWorker(context, {
      ...place,
      queue: await place.open(),
      name,
      jobs: jobs ?? place.jobs,
      labels: labels ?? place.labels,
      until: idle ? "idle" : "stopped",
      pollMs: POLL_MS,
      onEnd({ item, outcome, failure }, parked) {
        const words = failure === undefined ? "" : `: ${failure.code}: ${failure.message}`;
        context.progress.note(`${item.key}: ${parked ? "parked" : outcome}${words}`);
        if (outcome !== "failed") ended[outcome] += 1;
        else if (failure !== undefined) failed.push({ key: item.key, error: failure, parked });
        if (failed.length > SHOWN) failed.shift();
      },
    });
    return { ...ended, failed };
  },
});

export const workers = operation({
  name: "workers",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({}),
  result: z.strictObject({
    workers: z.array(
      z.strictObject({
        name: z.string(),
        host: z.string(),
        jobs: about(count, "Items at the same time."),
        diskBytes: about(bytes, "Free for work."),
        memoryBytes: about(bytes, "For work."),
        labels: about(z.readonly(z.array(z.string())), "What it declares to have."),
        running: about(z.readonly(z.array(z.string())), "Keys of the items that it runs."),
        declined: about(z.readonly(z.array(z.strictObject({ key, reason: z.string() }))), "Items that it does not take, and why."),
        seenAt: instant,
      }),
    ),
    items: about(
      z.array(
        z.strictObject({
          key,
          operation: about(z.string(), "As in the registry."),
          source: orNull(sourceName),
          state: about(z.enum(["waiting", "running", "parked"]), "Parked: it failed too often, or needs a change by a person."),
          attempts: about(count, "How often it was begun."),
          earliest: about(instant, "It is not begun before."),
          error: orNull(workError),
        }),
      ),
      "The most urgent first.",
    ),
  }),
  async run(context) {
    const queue = await sharedPlace(context).open();
    return {
      workers: (await queue.workers()).map(({ seenAt, ...one }) => ({ ...one, seenAt: seenAt.toISOString() })),
      items: (await queue.list()).map(({ item, state, attempts, notBefore, failure }) => ({
        key: item.key,
        operation: item.operation,
        source: item.source,
        state,
        attempts,
        earliest: notBefore.toISOString(),
        error: failure ?? null,
      })),
    };
  },
  exit: ({ items }) => (items.some(({ state }) => state === "parked") ? EXIT.unhealthy : EXIT.done),
});

export const workersRelease = operation({
  name: "workers release",
  access: "backup",
  storedOnly: () => true,
  request: z.strictObject({ key: about(z.string(), "Of the parked item.") }),
  result: z.strictObject({ key }),
  async run(context, { key: wanted }) {
    const queue = await sharedPlace(context).open();
    if (!(await queue.release(wanted)))
      throw new LifeboatError("JOB_UNKNOWN", `no item ${wanted} is parked`, { hint: "run `lifeboat workers` to see what is" });
    return { key: wanted };
  },
});

function sharedPlace({ work: place }: Context): Workplace {
  if (place?.isShared) return place;
  throw new LifeboatError("USAGE", "no queue is configured: this machine does its own work with `lifeboat serve` or `lifeboat tick`", {
    hint: "set `queue` in the configuration of every machine, as docs/workers.md shows",
  });
}
