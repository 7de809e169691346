// lifeboat tick [SOURCE], lifeboat alerts
import type * as z from "zod/mini";
import { formatInstant } from "../../core/duration.ts";
import { instructionOf } from "../../core/hints.ts";
import { text } from "../../core/option-types.ts";
import { alerts } from "../../operations/verbs/alerts.ts";
import { tick } from "../../operations/verbs/tick.ts";
import { defineCommand } from "../command.ts";
import { growSlowly } from "../heap.ts";
import { renderMade } from "../render/backup.ts";
import { renderFailures } from "../render/failures.ts";
import { renderFinding } from "../render/finding.ts";
import type { Paint } from "../render/paint.ts";
import { perform } from "../session.ts";

export const tickCommand = defineCommand({
  description:
    "Does what is due now, once, and ends: backups and base backups, snapshots and drills of the policies, and expiry. Then it judges every source as `status` does, opens and closes alerts, and tells the channels of `notify` in the configuration. Run by cron every few minutes it is all that is required; running it at two machines at once does nothing twice.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {},
  json: true,
  examples: ["*/5 * * * * lifeboat --config /etc/lifeboat.yaml --quiet tick"],
  run(call) {
    growSlowly();
    return perform(call, tick, call.args, (result) => renderTick(result, call.paint));
  },
});

export const alertsCommand = defineCommand({
  description: "The alerts that are open, as the last `tick` left them.",
  arguments: {},
  options: {},
  json: true,
  run: (call) =>
    perform(call, alerts, {}, ({ open }) =>
      open.length === 0
        ? "no alert is open"
        : worstFirst(open)
            .map((one) => renderAlert(one, call.paint))
            .join("\n"),
    ),
});

type Open = z.infer<typeof alerts.result>["open"][number];

const worstFirst = (open: readonly Open[]): Open[] => [...open].sort((a, b) => a.severity.localeCompare(b.severity));

const nextLine = ({ next }: Open): string => (next === null ? "" : `\n  next: ${instructionOf(next)}`);

/** What is wrong, and below it what to do. */
const renderAlert = (alert: Open, paint: Paint): string => `${renderLine(alert, paint)}${nextLine(alert)}`;

const renderLine = ({ source, code, severity, message, openedAt }: Open, paint: Paint): string =>
  `${severity === "critical" ? paint.red(severity) : paint.yellow(severity)}  ${source ?? "lifeboat"}: ${code}: ${message} (since ${formatInstant(new Date(openedAt))})`;

/** One line for each reason: a channel that is away takes none of a thousand alerts. */
function untold(told: z.infer<typeof tick.result>["told"]): string[] {
  const failed = told.filter(({ error }) => error !== null);
  return [...Map.groupBy(failed, ({ channel, error }) => `${channel} ${error}`).values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [`${first.channel}: ${first.code}${others.length === 0 ? "" : ` and ${others.length} more`}: ${first.error}`],
  );
}

function renderTick(result: z.infer<typeof tick.result>, paint: Paint): string {
  const { backups, drills, expired, queued, busy, failures, alerts: found, told, verdict } = result;
  return [
    ...backups.map((one) => renderMade(one, paint)),
    ...drills.map((one) => renderFinding("drill", one, paint)),
    ...expired.map(({ source, keptPoints, remove }) => `expire of ${source}: ${keptPoints} kept, ${remove.length} removed`),
    ...queued.map((key) => `put on the queue: ${key}`),
    ...busy.map(({ source, message }) => `${paint.dim("busy")} ${source}: ${message}`),
    ...renderFailures(failures, paint),
    ...found.opened.map((one) => `${paint.red("opened")}  ${renderAlert(one, paint)}`),
    ...found.closed.map((one) => `${paint.green("closed")}  ${renderLine(one, paint)}`),
    ...untold(told).map((line) => `${paint.yellow("not told")} ${line}`),
    `${paint.verdict(verdict)}  ${found.open.length} ${found.open.length === 1 ? "alert is" : "alerts are"} open`,
  ].join("\n");
}
