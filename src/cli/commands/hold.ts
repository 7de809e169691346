// lifeboat hold POINT, lifeboat release POINT

import { formatInstant } from "../../core/duration.ts";
import { text } from "../../core/option-types.ts";
import { hold, release } from "../../operations/verbs/hold.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

const point = {
  type: text,
  required: true,
  help: "Restore point: its name, its id, or the beginning of its id; or the job whose undo set is meant.",
} as const;

export const holdCommand = defineCommand({
  description: "Exempts a restore point from expiry until it is released.",
  arguments: { point },
  options: { reason: { type: text, value: "TEXT", help: "Why it must stay." } },
  json: true,
  run: (call) =>
    perform(call, hold, { ...call.args, ...call.options }, ({ id, name, source, note }) =>
      [`${name} (${id}) of ${source} is on hold`, ...(note === null ? [] : [note])].join("; "),
    ),
});

export const releaseCommand = defineCommand({
  description:
    "Ends a hold: the retention policy decides about the restore point again. Releasing a point that was taken before a deployment says that the deployment succeeded: it is kept from now on as long as the policy says.",
  arguments: { point },
  options: {},
  json: true,
  run: (call) =>
    perform(call, release, call.args, ({ id, name, source, held, expiresAt, note }) => {
      const what = `${name} (${id}) of ${source}`;
      if (held) return `${what}: ${note ?? "it stays on hold"}`;
      return `${what} is no longer on hold${expiresAt === null ? "" : `; it is kept until ${formatInstant(new Date(expiresAt))}`}`;
    }),
});
