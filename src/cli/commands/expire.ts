// lifeboat expire [SOURCE] [--plan]

import { formatBytes } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { pointJson } from "../../core/restore-point.ts";
import { shown } from "../../core/visible.ts";
import { type ExpireResult, expire, planExpire } from "../../operations/retention/expire.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { eachSource, withContext } from "../session.ts";

export const expireCommand = defineCommand({
  description:
    "Applies the retention policy: removes what it no longer keeps, oldest first, and moves what belongs in a colder class. Every decision gives its reason. The newest restore point, the newest verified one and everything on hold always stay; while the newest backup is missing, failed or suspiciously small, or this machine's clock is ahead of the storage's or the database's, nothing is removed at all. So it is when more than half of the restore points would go at once, which a wrong clock or a changed policy can bring about: then say --most. Of the points that the provider holds only those that Lifeboat made are removed, and what a restore replaced only 7 days after `accept`.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {
    plan: { type: flag, help: "Say what would be done, and do nothing." },
    most: { type: flag, help: "Allow that more than half of the restore points are removed at once." },
    future: { type: flag, help: "Remove restore points that are dated in the future too: a clock was wrong when they were made." },
  },
  json: true,
  examples: ["lifeboat expire --plan", "lifeboat expire shop"],
  async run(call) {
    return withContext(call, async (context, watch) => {
      const { most, future } = call.options;
      const act = call.options.plan ? planExpire : expire;
      const { results, settle } = await eachSource(context, call.args.source, watch, (source) =>
        act(context, source, watch, { most, future }),
      );
      call.emit({ sources: results.map(json) }, () => results.map((result) => human(result, call.paint)).join("\n\n"));
      settle();
      const undone = results.filter(({ refused, log }) => refused.length > 0 || log?.refused !== undefined);
      if (undone.length === 0)
        return results.some(({ applied, withheld = [] }) => applied && withheld.length > 0) ? EXIT.inconclusive : EXIT.done;
      // What may not be done from here has not failed: it is not done, and said so.
      return undone.every(({ powerless }) => powerless !== undefined) ? EXIT.inconclusive : EXIT.failed;
    });
  },
});

const json = ({ source, applied, keep, remove, withheld = [], transitions, blocked, refused, powerless, log }: ExpireResult) => ({
  source,
  applied,
  keep: keep.map(({ point, reasons }) => ({ point: pointJson(point), reasons })),
  remove: remove.map(({ point, reasons }) => ({ point: pointJson(point), reasons })),
  withheld: withheld.map(({ point, reasons }) => ({ point: pointJson(point), reasons })),
  transitions: transitions.map(({ point, from, to, reason }) => ({ point: pointJson(point), from, to, reason })),
  blocked,
  refused: refused.map(({ point, message }) => ({ id: point.id, message })),
  powerless: powerless ?? null,
  log: log === undefined ? null : logJson(log),
});

const logJson = ({ keep, remove, removeBytes, reasons, refused }: NonNullable<ExpireResult["log"]>) => ({
  kept: keep.length,
  removed: remove.length,
  removedBytes: removeBytes,
  first: remove[0]?.name ?? null,
  last: remove.at(-1)?.name ?? null,
  reasons,
  refused: refused ?? null,
});

function logLines(log: ExpireResult["log"], applied: boolean, paint: Paint): string[] {
  if (log === undefined) return [];
  const { keep, remove, removeBytes, reasons, refused } = log;
  const what = remove.length === 0 ? "" : `, ${remove.length} ${applied ? "removed" : "to remove"} (${formatBytes(removeBytes)})`;
  return [
    `  ${paint.dim("log    ")}  ${keep.length} segments kept${what}: ${reasons.join("; ")}`,
    ...(refused === undefined ? [] : [`  ${paint.red("refused")}  ${refused}`]),
  ];
}

function human(result: ExpireResult, paint: Paint): string {
  const { source, applied, keep, remove, withheld = [], transitions, blocked, refused, log } = shown(result);
  const failed = new Map(refused.map(({ point, message }) => [point.id, message]));
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
  return lines.join("\n");
}
