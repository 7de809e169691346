// Looks for what is due and puts it on the queue. Nothing is remembered: what is due follows from the repository, and a key is put once.
import { asLifeboatError } from "../../core/errors.ts";
import type { WorkItem } from "../../core/work.ts";
import { dueWork, nextSlotOf, unpaused } from "../../operations/watch/schedule.ts";
import { jobsReadOnce } from "../../operations/watch/shared.ts";
import { itemOf, offer } from "../../operations/work/items.ts";
import type { Service } from "../service.ts";
import { workContext } from "../work-context.ts";
import { placeOf } from "./shift.ts";

/** Puts the work of every source that is due. Returns the number of items that were not on the queue yet. */
export function putDue(service: Service): Promise<number> {
  const { log, signal } = service;
  return service.use(async (composed) => {
    const context = workContext(service, composed, signal);
    const items: WorkItem[] = [];
    const judged = new Set<string>();
    const jobs = jobsReadOnce(context, signal);
    for (const source of await unpaused(context, [...context.sources.values()], signal)) {
      try {
        const { work, failures } = await dueWork(context, source, context, jobs);
        for (const { code, message } of failures) log.warn(`what is due could not be judged: ${message}`, { source: source.name, code });
        items.push(...(await Promise.all(work.map((due) => itemOf(context, source, due)))));
        if (failures.length === 0) judged.add(source.name);
      } catch (error) {
        signal.throwIfAborted();
        const { code, message } = asLifeboatError(error);
        log.warn(`what is due could not be judged: ${message}`, { source: source.name, code });
      }
    }
    const queue = await placeOf(composed).open();
    const put = await offer(context, queue, items, judged);
    for (const key of put) log.info("work is due", { key });
    return put.length;
  });
}

/** How long until the next beat, or until the next slot of any source if that is earlier. */
export function untilNextLook(service: Service): Promise<number> {
  return service.use(async ({ sources, clock }) => {
    const now = clock.now();
    const slots = [...sources.values()].flatMap((source) => nextSlotOf(source, now)?.getTime() ?? []);
    return Math.min(service.config().server.beatMs, ...slots.map((slot) => slot - now.getTime()));
  });
}
