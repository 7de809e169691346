// lifeboat schedule [SOURCE]

import { formatInstant } from "../../core/duration.ts";
import { text } from "../../core/option-types.ts";
import { schedule } from "../../operations/verbs/schedule.ts";
import { defineCommand } from "../command.ts";
import { renderFailures } from "../render/failures.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

export const scheduleCommand = defineCommand({
  description:
    "What the policies and the drills of the configuration run when, in UTC and in the configured time zone, and what is due now. `lifeboat tick` and `lifeboat serve` do what is due. A schedule is in UTC unless it names a time zone.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {},
  json: true,
  run: (call) =>
    perform(call, schedule, call.args, ({ entries, pauses, failures, timeZone }) => {
      const isPaused = (name: string): boolean => pauses.some(({ source }) => source === name);
      const rows = entries.map(({ source, what, name, cron, due, waits, nextAt, nextLocal }) => [
        nextAt === null ? "never" : formatInstant(new Date(nextAt)),
        nextLocal === null ? "" : `${nextLocal.slice(0, 16).replace("T", " ")} ${nextLocal.slice(-6)}`,
        source,
        what,
        name,
        cron,
        isPaused(source) ? "paused" : due ? call.paint.yellow("due now") : waits === null ? "" : call.paint.yellow("waits"),
      ]);
      const columns = ["next", timeZone, "source", "what", "for", "cron", ""].map((title) => ({ title }));
      return [
        rows.length === 0
          ? "nothing is scheduled: no source has a policy or a drill with a schedule"
          : renderTable(columns, rows, { paint: call.paint }),
        ...entries.flatMap(({ source, waits }) =>
          waits === null
            ? []
            : [`the expiry of ${source} waits since ${formatInstant(new Date(waits.triedAt))}: ${waits.reasons.join("; ")}`],
        ),
        ...renderFailures(failures, call.paint),
      ].join("\n");
    }),
});
