// lifeboat verify: every stored byte of a backup is read and compared with its manifest.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { findJob } from "../../repository/journals.ts";
import { verify as verifyBackup } from "../backup/verify.ts";
import { placesOf } from "../jobs/holders.ts";
import { operation } from "../operation.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { about, aside, check, exitOf, orNull, pointName, sourceName, verdict } from "../schemas.ts";

/** What the journal of a verification holds of its result. */
const verifiedSchema = z.object({
  point: z.string(),
  verdict,
  reasons: z.array(z.string()),
  opened: z.boolean(),
  checks: z.array(check),
});

export const verify = operation({
  name: "verify",
  access: "backup",
  oneJob: () => true,
  request: z.strictObject({ point: pointName }),
  result: z.strictObject({
    id: z.string(),
    name: z.string(),
    source: sourceName,
    verdict,
    reasons: about(z.readonly(z.array(z.string())), "Worst first."),
    opened: about(z.boolean(), "The seal was opened too. Without, nothing of what is inside is proven."),
    checks: z.readonly(z.array(check)),
    aside: about(orNull(aside), "Where it was noted, when the repository cannot be written."),
  }),

  async run(context, { point: given }) {
    const found = await findAnyPoint(context, given, undefined, { signal: context.signal, unsigned: true });
    const { source, point } = found.entry;
    if (found.kind === "snapshot") {
      throw new LifeboatError(
        "CAPABILITY_MISSING",
        `${point.name} of ${source} is held by the provider: it has no stored bytes to verify`,
        {
          hint: `run \`lifeboat drill ${source} --to ${point.name}\`, which restores it and reads every table`,
        },
      );
    }
    const { verdict: judged, reasons, checks, opened, aside: onMachine } = await verifyBackup(context, found.entry, context);
    const { id, name } = point;
    return { id, name, source, verdict: judged, reasons, opened, checks, aside: onMachine ?? null };
  },

  async found(context, { point: given }, job) {
    for (const place of await placesOf(context)) {
      const record = await findJob(place, job, context.signal);
      const verified = verifiedSchema.safeParse(record?.state === "done" ? record.result : undefined);
      if (!verified.success) continue;
      const { entry } = await findAnyPoint(context, given, undefined, { signal: context.signal, unsigned: true });
      if (entry.point.id !== verified.data.point) continue;
      const { verdict: judged, reasons, opened, checks } = verified.data;
      const { id, name, source } = entry.point;
      return { id, name, source, verdict: judged, reasons, opened, checks, aside: null };
    }
    return undefined;
  },

  exit: ({ verdict: judged }) => exitOf(judged, EXIT.integrity),
});
