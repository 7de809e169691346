// lifeboat status [SOURCE]

import { formatDuration, formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { shown } from "../../core/visible.ts";
import { holdersOf } from "../../operations/jobs/holders.ts";
import { type SourceStatus, statusOf } from "../../operations/watch/status.ts";
import { defineCommand } from "../command.ts";
import { logJson, renderLog } from "../render/log.ts";
import type { Paint } from "../render/paint.ts";
import { limitJson, renderSettings } from "../render/settings.ts";
import { renderFacts } from "../render/table.ts";
import { sourcesNamed, withContext } from "../session.ts";

export const statusCommand = defineCommand({
  description:
    "Whether each source is protected right now. It is green only when the source answers, the newest backup is recent enough for the objective and proven, and a drill has passed. Anything unknown is inconclusive (exit status 3); anything wrong is exit status 4.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: { short: { type: flag, help: "One line for each source." } },
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const sources = sourcesNamed(context, call.args.source);
      const holders = await holdersOf(context, watch.signal);
      const all = await Promise.all(sources.map((source) => statusOf(context, source, watch, holders)));
      const verdicts = all.map(({ verdict }) => verdict);
      const verdict = verdicts.includes("fail") ? "fail" : verdicts.includes("inconclusive") ? "inconclusive" : "pass";
      call.emit({ verdict, sources: all.map(json) }, () =>
        call.options.short
          ? all.map((status) => oneLine(status, call.paint)).join("\n")
          : all.map((status) => human(status, call.paint)).join("\n\n"),
      );
      return { pass: EXIT.done, fail: EXIT.unhealthy, inconclusive: EXIT.inconclusive }[verdict];
    });
  },
});

function json({ source, verdict, reasons, earliest, latest, lastDrill, exposureMs, provider, log }: SourceStatus) {
  const state = provider?.state;
  return {
    name: source.name,
    provider: source.providerName,
    engine: source.engine.name,
    verdict,
    reasons,
    window: log?.window ?? {
      earliest: (state?.window?.earliest ?? earliest?.time)?.toISOString() ?? null,
      latest: (state?.window?.latest ?? latest?.time)?.toISOString() ?? null,
    },
    settings: state?.settings ?? {},
    limits: state?.limits.map(limitJson) ?? [],
    drift: state?.drift ?? [],
    warnings: [...(state?.warnings ?? []), ...(log?.warnings ?? []).map(({ message }) => message)],
    log: log === undefined ? null : logJson(log),
    lastBackup: latest ? { id: latest.id, endedAt: latest.endedAt.toISOString(), sizeBytes: latest.sizeBytes } : null,
    lastDrill: lastDrill
      ? {
          verdict: lastDrill.verdict,
          endedAt: lastDrill.endedAt,
          rtoSeconds: lastDrill.achieved.rtoSeconds ?? null,
          rpoSeconds: lastDrill.achieved.rpoSeconds ?? null,
        }
      : null,
    exposureSeconds: exposureMs === undefined ? null : Math.round(exposureMs / 1000),
    objective: source.objective,
  };
}

function oneLine(status: SourceStatus, paint: Paint): string {
  const { source, verdict, reasons, exposureMs } = shown(status);
  const exposure = exposureMs === undefined ? "no restore point" : `exposure ${formatDuration(exposureMs)}`;
  return [`${paint.verdict(verdict)}  ${paint.bold(source.name)}`, exposure, ...reasons.map(({ code }) => code)].join("  ");
}

function human(status: SourceStatus, paint: Paint): string {
  const { source, verdict, reasons, earliest, latest, lastDrill, exposureMs, unreachableBecause, provider, log } = shown(status);
  const { rtoSeconds, rpoSeconds } = source.objective;
  const known = latest && earliest ? `${formatInstant(earliest.time)} to ${formatInstant(latest.time)}` : undefined;
  const notAsked = provider?.notAsked === undefined ? undefined : "unknown, because the provider could not be asked";
  return [
    `${paint.verdict(verdict)}  ${paint.bold(source.name)} (${source.providerName})`,
    ...reasons.map(({ code, message }) => `  ${code}: ${message}`),
    ...(unreachableBecause === undefined ? [] : [`  ${unreachableBecause}`]),
    renderFacts(
      [
        [
          "  restore points",
          notAsked === undefined ? (known ?? "none") : known === undefined ? notAsked : `${known}; at the provider: ${notAsked}`,
        ],
        [
          "  exposure",
          exposureMs === undefined
            ? (notAsked ?? "everything: there is no restore point")
            : `${formatDuration(exposureMs)} (objective ${formatDuration(rpoSeconds * 1000)})`,
        ],
        [
          "  last drill",
          lastDrill
            ? `${lastDrill.verdict}, ${formatInstant(new Date(lastDrill.endedAt))}, RTO ${lastDrill.achieved.rtoSeconds === undefined ? "not measured" : formatDuration(lastDrill.achieved.rtoSeconds * 1000)} (objective ${formatDuration(rtoSeconds * 1000)})`
            : "never",
        ],
      ],
      paint,
    ),
    ...(log === undefined ? [] : [renderLog(log, paint)]),
    ...(provider?.state === undefined ? [] : renderSettings(provider.state, paint, { drift: false })),
  ].join("\n");
}
