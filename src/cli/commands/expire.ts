// lifeboat expire [SOURCE] [--plan]
import type * as z from "zod/mini";
import { formatBytes } from "../../core/duration.ts";
import { flag, text } from "../../core/option-types.ts";
import { expire } from "../../operations/verbs/expire.ts";
import { defineCommand } from "../command.ts";
import { renderFailures } from "../render/failures.ts";
import type { Paint } from "../render/paint.ts";
import { perform, performPlan } from "../session.ts";

export const expireCommand = defineCommand({
  description:
    "Applies the retention policy: removes what it no longer keeps, oldest first, and moves what belongs in a colder class. Every decision gives its reason. The newest restore point, the newest verified one and everything on hold always stay; while the newest backup is missing, failed or suspiciously small, or this machine's clock is ahead of the storage's or the database's, nothing is removed at all. So it is when more than half of the restore points would go at once, which a wrong clock or a changed policy can bring about: then say --most. Of the points that the provider holds only those that Lifeboat made are removed, and what a restore replaced only 7 days after `accept`.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {
    plan: { type: flag, help: "Say what would be done, and do nothing." },
    due: { type: flag, help: "Only sources whose policy says that it is due." },
    most: { type: flag, help: "Allow that more than half of the restore points are removed at once." },
    future: { type: flag, help: "Remove restore points that are dated in the future too: a clock was wrong when they were made." },
  },
  json: true,
  examples: ["lifeboat expire --plan", "lifeboat expire shop"],
  run(call) {
    const { plan, ...options } = call.options;
    const request = { ...call.args, ...options };
    const render = (result: Expired): string =>
      [...result.sources.map((source) => human(source, call.paint)), ...renderFailures(result.failures, call.paint)].join("\n\n");
    return plan ? performPlan(call, expire, request, render) : perform(call, expire, request, render);
  },
});

type Expired = z.infer<typeof expire.result>;
type Log = NonNullable<Expired["sources"][number]["log"]>;

function logLines(log: Log | null, applied: boolean, paint: Paint): string[] {
  if (log === null) return [];
  const { keptSegments, removedSegments, removedBytes, reasons, refused } = log;
  const what = removedSegments === 0 ? "" : `, ${removedSegments} ${applied ? "removed" : "to remove"} (${formatBytes(removedBytes)})`;
  return [
    `  ${paint.dim("log    ")}  ${keptSegments} segments kept${what}: ${reasons.join("; ")}`,
    ...(refused === null ? [] : [`  ${paint.red("refused")}  ${refused}`]),
  ];
}

function human(result: Expired["sources"][number], paint: Paint): string {
  const { source, applied, keep, remove, withheld, transitions, blocked, refused, log, undoSets } = result;
  const failed = new Map(refused.map(({ id, message }) => [id, message]));
  const outcome = (id: string, done: string, planned: string): string => (failed.has(id) ? paint.red("refused") : applied ? done : planned);
  const lines = [
    `${paint.bold(source)}: ${keep.length} kept, ${remove.length} ${applied ? "removed" : "to remove"}, ${transitions.length} ${applied ? "moved" : "to move"}`,
  ];
  for (const why of blocked) lines.push(`  ${paint.yellow("nothing is removed")}: ${why}`);
  if (withheld.length > 0) lines.push(`  next: look at what would go; if it may, run \`lifeboat expire ${source} --most\``);
  const wouldGo = new Set(withheld.map(({ point }) => point.id));
  for (const { point, reasons } of withheld) lines.push(`  ${paint.yellow("would go")} ${point.name} (${point.id}): ${reasons.join("; ")}`);
  for (const { point, reasons } of remove)
    lines.push(`  ${outcome(point.id, "removed", "remove ")}  ${point.name} (${point.id}): ${failed.get(point.id) ?? reasons.join("; ")}`);
  for (const { point, to, reason } of transitions)
    lines.push(`  ${outcome(point.id, "moved  ", "move   ")}  ${point.name} (${point.id}) to ${to}: ${failed.get(point.id) ?? reason}`);
  for (const { point, reasons } of keep.filter(({ point }) => !wouldGo.has(point.id)))
    lines.push(`  ${paint.dim("keep   ")}  ${point.name} (${point.id}): ${reasons.join("; ")}`);
  lines.push(...logLines(log, applied, paint));
  if (undoSets.removedSets.length > 0)
    lines.push(`  ${applied ? "removed" : "remove "}  undo sets of the jobs ${undoSets.removedSets.join(", ")}`);
  return lines.join("\n");
}
