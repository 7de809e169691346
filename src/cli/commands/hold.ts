// lifeboat hold POINT, lifeboat release POINT

import { formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { text } from "../../core/option-types.ts";
import { visible } from "../../core/visible.ts";
import { findAnyPoint } from "../../operations/points/snapshots.ts";
import { setHold } from "../../operations/retention/hold.ts";
import { defineCommand } from "../command.ts";
import { withContext } from "../session.ts";

const point = { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } as const;

export const holdCommand = defineCommand({
  description: "Exempts a restore point from expiry until it is released.",
  arguments: { point },
  options: { reason: { type: text, value: "TEXT", help: "Why it must stay." } },
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const found = await findAnyPoint(context, call.args.point, undefined, watch);
      const { note } = await setHold(context, found, true, call.options.reason, watch);
      const { source, point: held } = found.entry;
      const what = `${visible(held.name)} (${held.id}) of ${source} is on hold`;
      call.emit({ id: held.id, held: true, note: note ?? null }, note === undefined ? what : `${what}; ${visible(note)}`);
      return EXIT.done;
    });
  },
});

export const releaseCommand = defineCommand({
  description:
    "Ends a hold: the retention policy decides about the restore point again. Releasing a point that was taken before a deployment says that the deployment succeeded: it is kept from now on as long as the policy says.",
  arguments: { point },
  options: {},
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const found = await findAnyPoint(context, call.args.point, undefined, watch);
      const { held, expiresAt, note } = await setHold(context, found, false, undefined, watch);
      const { source, point: released } = found.entry;
      const what = `${visible(released.name)} (${released.id}) of ${source}`;
      call.emit({ id: released.id, held, expiresAt: expiresAt?.toISOString() ?? null }, () => {
        const until = expiresAt === undefined ? "" : `; it is kept until ${formatInstant(expiresAt)}`;
        return held ? `${what}: ${visible(note ?? "")}` : `${what} is no longer on hold${until}`;
      });
      return EXIT.done;
    });
  },
});
