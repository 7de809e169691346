// lifeboat verify: every stored byte of a backup is read and compared with its manifest.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { verify as verifyBackup } from "../backup/verify.ts";
import { operation } from "../operation.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { about, aside, check, exitOf, orNull, pointName, sourceName, verdict } from "../schemas.ts";

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

  exit: ({ verdict: judged }) => exitOf(judged, EXIT.integrity),
});
