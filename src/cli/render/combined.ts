// All sources together, as one line for people.
import type * as z from "zod/mini";
import type { combined } from "../../operations/recovery/schemas.ts";
import { renderPromise, renderSeconds } from "./finding.ts";
import type { Paint } from "./paint.ts";

export function renderCombined({ objective, achieved, verdict, reasons }: z.infer<typeof combined>, paint: Paint): string {
  const rto = `RTO ${renderSeconds(achieved.rtoSeconds)}${renderPromise(objective.rtoSeconds)}`;
  const rpo = `RPO ${renderSeconds(achieved.rpoSeconds)}${renderPromise(objective.rpoSeconds)}`;
  return [
    `${paint.verdict(verdict)}  ${paint.bold("all sources together")}: ${rto}, ${rpo}`,
    ...reasons.map((reason) => `  ${reason}`),
  ].join("\n");
}
