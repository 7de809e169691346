// lifeboat hold POINT, lifeboat release POINT
import { text } from "../../config/types.ts";
import { EXIT } from "../../core/errors.ts";
import { setHold } from "../../operations/hold.ts";
import { findPoint } from "../../operations/points.ts";
import { defineCommand } from "../command.ts";
import { withWorkshop } from "../session.ts";

const point = { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } as const;

export const holdCommand = defineCommand({
  description: "Exempts a restore point from expiry until it is released.",
  arguments: { point },
  options: { reason: { type: text, value: "TEXT", help: "Why it must stay." } },
  json: true,
  async run(context) {
    return withWorkshop(context, async (workshop, watch) => {
      const entry = await findPoint(workshop, context.args.point);
      await setHold(workshop, entry, true, context.options.reason, watch);
      context.emit({ id: entry.point.id, held: true }, `${entry.point.name} (${entry.point.id}) of ${entry.source} is on hold`);
      return EXIT.done;
    });
  },
});

export const releaseCommand = defineCommand({
  description: "Ends a hold: the retention policy decides about the restore point again.",
  arguments: { point },
  options: {},
  json: true,
  async run(context) {
    return withWorkshop(context, async (workshop, watch) => {
      const entry = await findPoint(workshop, context.args.point);
      await setHold(workshop, entry, false, undefined, watch);
      context.emit({ id: entry.point.id, held: false }, `${entry.point.name} (${entry.point.id}) of ${entry.source} is no longer on hold`);
      return EXIT.done;
    });
  },
});
