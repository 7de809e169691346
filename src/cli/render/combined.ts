// All sources together, as one line for people and as JSON.
import type { Combined } from "../../core/combined.ts";
import { formatDuration } from "../../core/duration.ts";
import { shown } from "../../core/visible.ts";
import type { Paint } from "./paint.ts";

/** As `combined` in the JSON of `drill` and `recover`. */
export const combinedJson = ({ objective, achieved, verdict, reasons }: Combined) => ({
  objective,
  achieved: { rtoSeconds: achieved.rtoSeconds ?? null, rpoSeconds: achieved.rpoSeconds ?? null },
  verdict,
  reasons,
});

const seconds = (value: number | undefined): string => (value === undefined ? "not measured" : formatDuration(value * 1000));

export function renderCombined(combined: Combined, paint: Paint): string {
  const { objective, achieved, verdict, reasons } = shown(combined);
  const { rtoSeconds, rpoSeconds } = objective;
  return [
    `${paint.verdict(verdict)}  ${paint.bold("all sources together")}: RTO ${seconds(achieved.rtoSeconds)} (objective ${seconds(rtoSeconds)}), RPO ${seconds(achieved.rpoSeconds)} (objective ${seconds(rpoSeconds)})`,
    ...reasons.map((reason) => `  ${reason}`),
  ].join("\n");
}
