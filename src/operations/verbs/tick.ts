// lifeboat tick: what is due is done once, and what is wrong is told. Run by cron every few minutes, it needs no service.
import * as z from "zod/mini";
import { asLifeboatError, EXIT, type ExitStatus, type LifeboatError } from "../../core/errors.ts";
import type { WorkItem } from "../../core/work.ts";
import { isAway } from "../../repository/away.ts";
import type { Workplace } from "../context.ts";
import { exitOfFailures, type Failure, type OperationContext, operation } from "../operation.ts";
import { finding } from "../recovery/schemas.ts";
import { about, count, failure, orNull, sourceName, verdict } from "../schemas.ts";
import { failureOf, sourcesNamed } from "../sources.ts";
import { beat, heartbeat } from "../watch/beat.ts";
import { type DueWork, dueWork, unpaused } from "../watch/schedule.ts";
import { jobsReadOnce } from "../watch/shared.ts";
import { itemOf, offer } from "../work/items.ts";
import { alertJson, alertSchema } from "./alerts.ts";
import { backup, made } from "./backup.ts";
import { drill } from "./drill.ts";
import { expire, expiredSource } from "./expire.ts";

/** What an expiry did. The points that stay are counted, because those of thousands of sources would fill the memory. */
const { keep: _kept, ...ofExpiry } = expiredSource.shape;
const expiredHere = z.strictObject({ ...ofExpiry, keptPoints: about(count, "How many restore points stay.") });

const told = z.strictObject({
  channel: about(z.string(), "Its name in the configuration."),
  source: orNull(sourceName),
  code: about(z.string(), "Of the alert."),
  error: about(orNull(z.string()), "Why it was not taken. It is tried again at the next beat."),
});

export const tick = operation({
  name: "tick",
  access: "backup",
  evenAway: true,
  request: z.strictObject({ source: z.optional(about(sourceName, "Default: all.")) }),
  result: z.strictObject({
    verdict: about(verdict, "Of the sources together, as in `status`."),
    backups: about(z.array(made), "What was made."),
    drills: z.array(finding),
    expired: z.array(expiredHere),
    queued: about(z.array(z.string()), "Keys of what was put on the shared queue, for workers."),
    busy: about(z.array(failure), "What another job works on right now: it is left to that job."),
    failures: z.array(failure),
    alerts: z.strictObject({
      open: z.array(alertSchema),
      opened: about(z.array(alertSchema), "With this tick."),
      closed: z.array(alertSchema),
    }),
    told: about(z.array(told), "What channels were told."),
  }),

  async run(context, { source }) {
    const sources = sourcesNamed(context, source);
    const failures: Failure[] = [];
    const backups: z.infer<typeof made>[] = [];
    const drills: z.infer<typeof finding>[] = [];
    const expired: z.infer<typeof expiredHere>[] = [];
    // First, for what is due may take hours.
    const before = await beat(context, sources, context).catch((error: unknown) => {
      context.signal.throwIfAborted();
      context.progress.note(`alerts could not be judged before the work: ${asLifeboatError(error).message}`);
      return undefined;
    });
    const run = {
      backup: async (request: DueWork["request"]) => {
        const done = await backup.run(context, request);
        backups.push(...done.made);
        return done.failures.map(({ what: _, ...failed }) => failed);
      },
      drill: async (request: DueWork["request"]) => {
        const done = await drill.run(context, request);
        drills.push(...done.drills);
        return done.failures;
      },
      expire: async (request: DueWork["request"]) => {
        const done = await expire.run(context, request);
        expired.push(...done.sources.map(({ keep, ...one }) => ({ ...one, keptPoints: keep.length })));
        return done.failures;
      },
    };
    const shared = context.work?.isShared ? context.work : undefined;
    const items: WorkItem[] = [];
    const judged = new Set<string>();
    const jobs = jobsReadOnce(context, context.signal);
    let away: LifeboatError | undefined;
    const scheduled = await unpaused(context, sources, context.signal).catch((error: unknown) => {
      if (!isAway(error)) throw error;
      away = error;
      failures.push(...sources.map(({ name }) => failureOf(name, error)));
      return [];
    });
    for (const one of scheduled) {
      const tried = new Set<string>();
      for (;;) {
        const due = await dueWork(context, one, context, jobs);
        if (tried.size === 0) failures.push(...due.failures);
        if (due.failures.length === 0) judged.add(one.name);
        const work = due.work.filter(({ key }) => !tried.has(key));
        for (const each of work) {
          tried.add(each.key);
          try {
            if (shared !== undefined) items.push(await itemOf(context, one, each));
            else failures.push(...(await run[each.operation](each.request)));
          } catch (error) {
            context.signal.throwIfAborted();
            failures.push(failureOf(one.name, error));
          }
        }
        // A first backup makes the drill due that waited for it.
        if (work.length === 0 || shared !== undefined) break;
      }
    }
    const queued = shared === undefined ? [] : await put(context, shared, items, judged, failures);
    const worked = backups.length + drills.length + expired.length + failures.length > 0;
    const last = (worked && away === undefined) || before === undefined ? await beat(context, sources, context) : before;
    const beats = before === undefined || before === last ? [last] : [before, last];
    const events = beats.flatMap((one) => one.events);
    const isWell = last.isWell && failures.every(({ code }) => code === "LEASE_HELD") && exitOfWork(drills, expired) !== EXIT.failed;
    await heartbeat(context, isWell, context);
    return {
      verdict: last.verdict,
      backups,
      drills,
      expired,
      queued,
      busy: failures.filter(({ code }) => code === "LEASE_HELD"),
      failures: failures.filter(({ code }) => code !== "LEASE_HELD"),
      alerts: {
        open: last.open.map(alertJson),
        opened: events.filter(({ type }) => type === "opened").map(({ alert }) => alertJson(alert)),
        closed: events.filter(({ type }) => type === "closed").map(({ alert }) => alertJson(alert)),
      },
      told: beats
        .flatMap((one) => one.told)
        .map(({ channel, event: { alert: of }, error }) => ({ channel, source: of.source, code: of.code, error: error ?? null })),
    };
  },

  exit: ({ failures, drills, expired }) => exitOfFailures(failures) ?? exitOfWork(drills, expired),
});

/** Puts what is due on the shared queue. When it does not answer, that is a failure of each source with due work: the next tick puts it. */
async function put(
  context: OperationContext,
  shared: Workplace,
  items: readonly WorkItem[],
  judged: ReadonlySet<string>,
  failures: Failure[],
): Promise<string[]> {
  try {
    return [...(await offer(context, await shared.open(), items, judged))];
  } catch (error) {
    context.signal.throwIfAborted();
    for (const source of new Set(items.map((item) => item.source ?? "lifeboat"))) failures.push(failureOf(source, error));
    return [];
  }
}

/** What the operations themselves say of their results: a drill that failed, an expiry that was refused. */
function exitOfWork(drills: z.infer<typeof finding>[], expired: z.infer<typeof expiredHere>[]): ExitStatus {
  const sources = expired.map((one) => ({ ...one, keep: [] }));
  const exits = [drill.exit?.({ drills, combined: null, failures: [] }), expire.exit?.({ sources, failures: [] })];
  return exits.find((exit) => exit !== undefined && exit !== EXIT.done) ?? EXIT.done;
}
