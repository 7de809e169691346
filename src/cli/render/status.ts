// Whether a source is protected, as one line and in full.
import type * as z from "zod/mini";
import { formatBytes, formatDuration, formatInstant } from "../../core/duration.ts";
import { instructionOf } from "../../core/hints.ts";
import type { status } from "../../operations/verbs/status.ts";
import { renderPromise } from "./finding.ts";
import type { Paint } from "./paint.ts";
import { renderSettings } from "./settings.ts";
import { renderFacts } from "./table.ts";

type Reasons = z.infer<typeof status.result>["repositoryReasons"];
type StatusOfSource = z.infer<typeof status.result>["sources"][number];

export function renderStatusLine({ name, verdict, reasons, exposureSeconds }: StatusOfSource, paint: Paint): string {
  const exposure = exposureSeconds === null ? "no restore point" : `exposure ${formatDuration(exposureSeconds * 1000)}`;
  return [`${paint.verdict(verdict)}  ${paint.bold(name)}`, exposure, ...reasons.map(({ code }) => code)].join("  ");
}

/** One line in the format of Nagios plugins: state, what is wrong, performance data. */
export function renderBrief({ verdict, sources, repositoryReasons }: z.infer<typeof status.result>): string {
  const state = { pass: "OK", inconclusive: "WARNING", fail: "CRITICAL" }[verdict];
  const wrong = [
    ...sources.flatMap(({ name, reasons }) => (reasons.length === 0 ? [] : [`${name}: ${reasons.map(({ code }) => code).join(", ")}`])),
    ...(repositoryReasons.length === 0 ? [] : [`repository: ${repositoryReasons.map(({ code }) => code).join(", ")}`]),
  ];
  const figures = sources.flatMap(({ name, verdict: one, exposureSeconds, objective }) => [
    `'${name}'=${["pass", "inconclusive", "fail"].indexOf(one)}`,
    ...(exposureSeconds === null ? [] : [`'${name} exposure'=${exposureSeconds}s;;${objective.rpoSeconds ?? ""}`]),
  ]);
  const said = wrong.length > 0 ? wrong.join("; ") : `${sources.length} ${sources.length === 1 ? "source is" : "sources are"} protected`;
  return `LIFEBOAT ${state} - ${said} | ${figures.join(" ")}`;
}

/** How old an answer is. */
export const renderLook = (lookedAt: string, now: Date): string =>
  `looked at ${formatInstant(new Date(lookedAt))}, ${formatDuration(now.getTime() - Date.parse(lookedAt))} ago`;

const reasonLines = (reasons: Reasons): string[] => reasons.map(({ code, message }) => `  ${code}: ${message}`);

const nextLines = (reasons: Reasons): string[] =>
  [...new Set(reasons.map(({ next }) => instructionOf(next)))].map((next) => `  next: ${next}`);

/** What is wrong with something that is not a source. Empty: nothing. */
export function renderReasons(about: string, reasons: Reasons, paint: Paint): string[] {
  if (reasons.length === 0) return [];
  const verdict = reasons.some(({ severity }) => severity === "critical") ? "fail" : "inconclusive";
  return [[`${paint.verdict(verdict)}  ${paint.bold(about)}`, ...reasonLines(reasons), ...nextLines(reasons)].join("\n")];
}

export function renderStatus(found: StatusOfSource, paint: Paint): string {
  const { name, provider, verdict, reasons, points, lastDrill, exposureSeconds, unasked, log, objective, history } = found;
  const day = (instant: string): string => formatInstant(new Date(instant));
  const known = points.earliest !== null && points.latest !== null ? `${day(points.earliest)} to ${day(points.latest)}` : undefined;
  const notAsked = unasked === null ? undefined : "unknown, because the provider could not be asked";
  const exposure =
    exposureSeconds === null
      ? (notAsked ?? "everything: there is no restore point")
      : `${formatDuration(exposureSeconds * 1000)}${renderPromise(objective.rpoSeconds)}`;
  const rto = lastDrill?.rtoSeconds == null ? "not measured" : formatDuration(lastDrill.rtoSeconds * 1000);
  return [
    `${paint.verdict(verdict)}  ${paint.bold(name)} (${provider})`,
    ...reasonLines(reasons),
    ...(found.paused === null
      ? []
      : [`  paused since ${day(found.paused.at)} by ${found.paused.by}${found.paused.reason === null ? "" : `: ${found.paused.reason}`}`]),
    ...(found.expiryWaits === null
      ? []
      : [`  expiry waits since ${day(found.expiryWaits.triedAt)}: ${found.expiryWaits.reasons.join("; ")}`]),
    ...nextLines(reasons),
    renderFacts(
      [
        [
          "  restore points",
          notAsked === undefined ? (known ?? "none") : known === undefined ? notAsked : `${known}; at the provider: ${notAsked}`,
        ],
        ["  exposure", exposure],
        [
          "  last drill",
          lastDrill === null
            ? "never"
            : `${lastDrill.verdict}, ${day(lastDrill.endedAt)}, RTO ${rto}${renderPromise(objective.rtoSeconds)}`,
        ],
      ],
      paint,
    ),
    ...(log === null ? [] : [renderLog(log, paint)]),
    ...(Object.keys(found.settings).length === 0 ? [] : renderSettings({ ...found, window: history, drift: [] }, paint)),
  ].join("\n");
}

/** The log archive: the recovery window with both its edges, and what is behind it. */
function renderLog(log: NonNullable<StatusOfSource["log"]>, paint: Paint): string {
  const { window, windows, segments, sizeBytes, slot, warnings } = log;
  const others = windows.filter(({ earliest, latest }) => earliest !== window.earliest || latest !== window.latest);
  return renderFacts(
    [
      ["  any instant", window.earliest === null ? "none can be reached" : `${window.earliest} to ${window.latest}`],
      [
        "  also",
        others.map(({ earliest, latest }) => (earliest === latest ? `exactly ${earliest}` : `${earliest} to ${latest}`)).join("\n"),
      ],
      ["  log archive", `${segments} segments, ${formatBytes(sizeBytes)}`],
      [
        "  slot",
        slot?.exists
          ? `${slot.name}, ${slot.active ? "active" : "not being read"}; the server retains ${formatBytes(slot.keptBytes)} for it`
          : "",
      ],
      ["  warnings", warnings.map(({ code, message }) => `${code}: ${message}`).join("\n")],
    ],
    paint,
  );
}
