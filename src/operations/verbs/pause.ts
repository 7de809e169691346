// lifeboat pause, lifeboat resume: stopping the scheduled work of a source for a while.
import * as z from "zod/mini";
import { parseDuration } from "../../core/duration.ts";
import { isPaused, type Pause, readPauses, setPause } from "../../repository/pauses.ts";
import { thisUser } from "../audit/trail.ts";
import { runJob } from "../jobs/job.ts";
import { type OperationContext, operation } from "../operation.ts";
import { about, orNull, pauseJson, pauseSchema, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const result = z.strictObject({ source: sourceName, paused: about(orNull(pauseSchema), "Null: its scheduled work runs.") });

export const pause = operation({
  name: "pause",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    for: z.optional(about(z.string(), "A duration, such as 2h, after which it ends by itself.")),
    reason: z.optional(about(z.string(), "Why it is paused.")),
  }),
  result,
  async run(context, { source, for: length, reason }) {
    const now = context.clock.now();
    const until = length === undefined ? undefined : new Date(now.getTime() + parseDuration(length)).toISOString();
    return change(context, "pause", source, { source, by: (context.actor ?? thisUser()).name, at: now.toISOString(), until, reason });
  },
});

export const resume = operation({
  name: "resume",
  access: "backup",
  oneJob: () => true,
  request: z.strictObject({ source: sourceName }),
  result,
  run: (context, { source }) => change(context, "resume", source, undefined),
});

async function change(context: OperationContext, verb: "pause" | "resume", source: string, wanted: Pause | undefined) {
  const { name } = sourceNamed(context, source);
  const set = () => setPause(context.repository, name, wanted);
  await runJob(
    context,
    { verb, source: name, exclusive: true },
    context,
    (job) => job.step(verb, set),
    () => ({}),
  );
  return { source: name, paused: pauseJson(wanted) };
}

/** The pauses that are in force now, by source. */
export async function pausesNow({ repository, clock, signal }: OperationContext): Promise<ReadonlyMap<string, Pause>> {
  const now = clock.now();
  return new Map([...(await readPauses(repository, signal))].filter(([, found]) => isPaused(found, now)));
}
