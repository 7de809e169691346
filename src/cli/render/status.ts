// Whether a source is protected, as one line and in full.
import type * as z from "zod/mini";
import { formatDuration, formatInstant } from "../../core/duration.ts";
import type { status } from "../../operations/verbs/status.ts";
import { renderLog } from "./log.ts";
import type { Paint } from "./paint.ts";
import { renderSettings } from "./settings.ts";
import { renderFacts } from "./table.ts";

export type StatusOfSource = z.infer<typeof status.result>["sources"][number];

export function renderStatusLine({ name, verdict, reasons, exposureSeconds }: StatusOfSource, paint: Paint): string {
  const exposure = exposureSeconds === null ? "no restore point" : `exposure ${formatDuration(exposureSeconds * 1000)}`;
  return [`${paint.verdict(verdict)}  ${paint.bold(name)}`, exposure, ...reasons.map(({ code }) => code)].join("  ");
}

export function renderStatus(found: StatusOfSource, paint: Paint): string {
  const { name, provider, verdict, reasons, points, lastDrill, exposureSeconds, unreachable, unasked, log, objective, history } = found;
  const day = (instant: string): string => formatInstant(new Date(instant));
  const known = points.earliest !== null && points.latest !== null ? `${day(points.earliest)} to ${day(points.latest)}` : undefined;
  const notAsked = unasked === null ? undefined : "unknown, because the provider could not be asked";
  const exposure =
    exposureSeconds === null
      ? (notAsked ?? "everything: there is no restore point")
      : `${formatDuration(exposureSeconds * 1000)} (objective ${formatDuration(objective.rpoSeconds * 1000)})`;
  const rto = lastDrill?.rtoSeconds == null ? "not measured" : formatDuration(lastDrill.rtoSeconds * 1000);
  return [
    `${paint.verdict(verdict)}  ${paint.bold(name)} (${provider})`,
    ...reasons.map(({ code, message }) => `  ${code}: ${message}`),
    ...(unreachable === null ? [] : [`  ${unreachable}`]),
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
            : `${lastDrill.verdict}, ${day(lastDrill.endedAt)}, RTO ${rto} (objective ${formatDuration(objective.rtoSeconds * 1000)})`,
        ],
      ],
      paint,
    ),
    ...(log === null ? [] : [renderLog(log, paint)]),
    ...(Object.keys(found.settings).length === 0 ? [] : renderSettings({ ...found, window: history, drift: [] }, paint)),
  ].join("\n");
}
