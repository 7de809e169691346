// lifeboat recover --to TIME

import { combine } from "../../core/combined.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { askedOf, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { shown } from "../../core/visible.ts";
import { presentOf } from "../../operations/context.ts";
import { planRecoverAll, type RecoveredSource, recoverAll } from "../../operations/recovery/recover.ts";
import { defineCommand } from "../command.ts";
import { errorJson } from "../fatal.ts";
import { connectionJson, handOver } from "../hand-over.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import { combinedJson, renderCombined } from "../render/combined.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts } from "../render/table.ts";
import { withContext } from "../session.ts";

export const recoverCommand = defineCommand({
  description:
    "Restores every source to one instant, all at once and beside production, which is not touched: a new branch at Neon, a new cluster at Atlas, a database named after the source's with `_recovered` elsewhere. Each is proven as by `restore`; what was achieved together (the time of the slowest, the greatest loss) is judged against the combined objective. One that fails keeps no other from coming back.",
  arguments: {},
  options: {
    to: {
      type: text,
      required: true,
      value: "TIME",
      help: 'The instant, the same for all: a time (2026-11-28T14:25:00Z, 14:25, "yesterday 14:25"), how long ago (5m, "5 minutes ago"), or `latest`.',
    },
    nearest: {
      type: flag,
      help: "Where the instant cannot be reached exactly, restore the nearest backup before it. Without it, that source is refused.",
    },
    plan: { type: flag, help: "Say what would be done, and do nothing." },
    showPassword: { type: flag, help: "Print the connection strings with their passwords." },
  },
  json: true,
  examples: ["lifeboat recover --to 2026-11-20T14:29:59Z --plan", "lifeboat recover --to 5m"],
  async run(call) {
    const { options, paint } = call;
    return withContext(call, async (context, watch) => {
      const target = parseRecoveryTarget(options.to, presentOf(context));
      const request = { to: target, nearest: options.nearest };
      const to = askedOf(target, presentOf(context));
      if (options.plan) {
        const plans = await planRecoverAll(context, request, watch);
        call.emit({ to, plans }, () => plans.map(renderPlan).join("\n"));
        return plans.some(({ refusals }) => refusals.length > 0) ? EXIT.usage : EXIT.done;
      }
      const sources = await recoverAll(context, request, watch);
      const back = sources.flatMap(({ finding }) => (finding === undefined ? [] : [finding]));
      const parts = back.map(({ evidence: { source, verdict, achieved } }) => ({ source, verdict, achieved }));
      const missing = sources.filter(({ finding }) => finding === undefined).map(({ source }) => source);
      const combined = combine(parts, context.combinedObjective, { order: "at once", missing });
      const json = await Promise.all(sources.map((one) => sourceJson(one, options)));
      const texts = await Promise.all(sources.map((one) => human(one, options, context.repository.storage.url, paint)));
      call.emit({ to, sources: json, combined: combinedJson(combined) }, () => [...texts, renderCombined(combined, paint)].join("\n\n"));
      return exitOf(sources, combined.verdict);
    });
  },
});

type Showing = { readonly showPassword?: boolean | undefined };

async function sourceJson({ source, finding, connection, place, warnings, error }: RecoveredSource, options: Showing) {
  if (finding === undefined) return { source, ...(error && errorJson(error)) };
  const handed = connection && connectionJson(connection, await handOver(connection, options));
  return { ...findingJson(finding), place: place ?? null, warnings, ...handed };
}

async function human(one: RecoveredSource, options: Showing, storage: string, paint: Paint): Promise<string> {
  const { source, finding, place, error } = shown(one);
  const { connection } = one;
  if (finding === undefined)
    return `${paint.red("error")} ${paint.bold(source)}: ${error?.code}  ${error?.message}\n  next: ${error?.hint}`;
  const url = connection && (await handOver(connection, options)).url;
  return [
    renderFinding(finding, storage, paint),
    renderFacts(
      [
        [place?.what ?? "place", place?.name],
        ["connection", url],
      ],
      paint,
    ),
  ].join("\n");
}

/** The worst of them; each in its own time and all of them not in theirs is an objective missed. */
function exitOf(sources: readonly RecoveredSource[], verdict: "pass" | "fail" | "inconclusive"): ExitStatus {
  const [failed] = sources.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (failed !== undefined) return failed.exit;
  const exits = sources.flatMap(({ finding }) => (finding === undefined ? [] : [exitOfFinding(finding)]));
  const bad = exits.find((exit) => exit === EXIT.failed) ?? exits.find((exit) => exit !== EXIT.done);
  return bad ?? (verdict === "fail" ? EXIT.unhealthy : verdict === "inconclusive" ? EXIT.inconclusive : EXIT.done);
}
