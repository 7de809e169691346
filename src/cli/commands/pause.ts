// lifeboat pause SOURCE, lifeboat resume SOURCE
import { formatInstant } from "../../core/duration.ts";
import { text } from "../../core/option-types.ts";
import { pause, resume } from "../../operations/verbs/pause.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

const source = { type: text, required: true, help: "Name of the source." } as const;

export const pauseCommand = defineCommand({
  description:
    "Stops the scheduled backups, snapshots, drills and expiry of a source, for `serve` and `tick` on every machine. Its log archive, the judgement of its health and commands given by hand continue. `status` shows the pause, and an alert opens when it has lasted a day.",
  arguments: { source },
  options: {
    for: { type: text, value: "DURATION", help: "Ends by itself after this long, such as 2h. Default: until `lifeboat resume`." },
    reason: { type: text, value: "TEXT", help: "Why it is paused." },
  },
  json: true,
  examples: ['lifeboat pause shop --for 2h --reason "server upgrade"'],
  run: (call) =>
    perform(call, pause, { ...call.args, ...call.options }, ({ source: name, paused }) => {
      const until = paused?.endsAt == null ? `until \`lifeboat resume ${name}\`` : `until ${formatInstant(new Date(paused.endsAt))}`;
      return `the scheduled work of ${name} is paused ${until}`;
    }),
});

export const resumeCommand = defineCommand({
  description: "Ends a pause. What became due meanwhile runs once.",
  arguments: { source },
  options: {},
  json: true,
  run: (call) => perform(call, resume, call.args, ({ source: name }) => `the scheduled work of ${name} runs again`),
});
