// lifeboat schedule: what runs when.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { microsOf } from "../../core/micros.ts";
import { understood } from "../../core/recovery-target.ts";
import { presentOf } from "../context.ts";
import { exitOfFailures, operation } from "../operation.ts";
import { timeZone } from "../recovery/schemas.ts";
import { expiryWaitJson, expiryWaitSchema } from "../retention/expiry-due.ts";
import { about, failure, instant, iso, orNull, pauseJson, pauseSchema, sourceName } from "../schemas.ts";
import { eachSource, sourcesNamed } from "../sources.ts";
import { scheduleOf } from "../watch/schedule.ts";
import { jobsReadOnce } from "../watch/shared.ts";
import { pausesNow } from "./pause.ts";

export const schedule = operation({
  name: "schedule",
  access: "look",
  request: z.strictObject({ source: z.optional(about(sourceName, "Default: all.")) }),
  result: z.strictObject({
    timeZone,
    entries: about(
      z.array(
        z.strictObject({
          source: sourceName,
          what: about(z.enum(["backup", "base backup", "snapshot", "drill", "expire"]), "What it runs."),
          name: about(z.string(), "Tier, rule or drill."),
          cron: about(z.string(), "In UTC, unless it names a time zone."),
          due: about(z.boolean(), "`tick` does it now, unless the source is paused."),
          waits: about(orNull(expiryWaitSchema), "Why an expiry could not be done since its slot. It is tried again when that is over."),
          lastAt: about(orNull(instant), "The newest slot."),
          nextAt: orNull(instant),
          nextLocal: about(orNull(z.string()), "The same in the configured time zone."),
        }),
      ),
      "The next first.",
    ),
    pauses: about(z.array(z.strictObject({ source: sourceName, ...pauseSchema.shape })), "Sources whose scheduled work is paused."),
    failures: z.readonly(z.array(failure)),
  }),

  async run(context, { source }) {
    const present = presentOf(context);
    const local = (at: Date | undefined) => (at === undefined ? null : understood(microsOf(at), present).local);
    const sources = sourcesNamed(context, source);
    const pauses = await pausesNow(context);
    const jobs = jobsReadOnce(context, context.signal);
    const { results, failures } = await eachSource(sources, context, async (one) =>
      (await scheduleOf(context, one, context, jobs)).map(({ lastSlot, nextSlot, waits, ...entry }) => ({
        source: one.name,
        ...entry,
        waits: expiryWaitJson(waits),
        lastAt: iso(lastSlot),
        nextAt: iso(nextSlot),
        nextLocal: local(nextSlot),
      })),
    );
    const entries = results.flat().sort((a, b) => ((a.nextAt ?? "") < (b.nextAt ?? "") ? -1 : 1));
    const paused = sources.flatMap(({ name }) => {
      const found = pauseJson(pauses.get(name));
      return found === null ? [] : [{ source: name, ...found }];
    });
    return { timeZone: context.timeZone(), entries, pauses: paused, failures };
  },

  exit: ({ failures }) => exitOfFailures(failures) ?? EXIT.done,
});
