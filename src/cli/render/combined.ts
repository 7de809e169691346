// All sources together, as one line for people.
import type * as z from "zod/mini";
import { formatDuration } from "../../core/duration.ts";
import type { combined } from "../../operations/recovery/schemas.ts";
import { renderSeconds } from "./finding.ts";
import type { Paint } from "./paint.ts";

export function renderCombined({ objective, achieved, verdict, reasons }: z.infer<typeof combined>, paint: Paint): string {
  const promise = (value: number | null): string => (value === null ? "" : ` (objective ${formatDuration(value * 1000)})`);
  const rto = `RTO ${renderSeconds(achieved.rtoSeconds)}${promise(objective.rtoSeconds)}`;
  const rpo = `RPO ${renderSeconds(achieved.rpoSeconds)}${promise(objective.rpoSeconds)}`;
  return [
    `${paint.verdict(verdict)}  ${paint.bold("all sources together")}: ${rto}, ${rpo}`,
    ...reasons.map((reason) => `  ${reason}`),
  ].join("\n");
}
