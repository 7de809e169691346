// A provider's settings, limits and warnings.
import type * as z from "zod/mini";
import { formatBytes, formatInstant } from "../../core/duration.ts";
import type { plan } from "../../operations/verbs/settings.ts";
import type { Paint } from "./paint.ts";

type State = Pick<z.infer<typeof plan.result>["sources"][number], "limits" | "drift" | "warnings"> & {
  readonly window: { readonly earliest: string | null; readonly latest: string | null } | null;
};
type Limit = State["limits"][number];

const amount = (value: number, unit: Limit["unit"]): string => (unit === "bytes" ? formatBytes(value) : String(value));

/** Lines, indented by two. */
export function renderSettings({ window, limits, drift, warnings }: State, paint: Paint): string[] {
  const day = (instant: string): string => formatInstant(new Date(instant));
  const use = limits.map(({ name, used, max, unit, near }) => {
    const text = `${name} ${amount(used, unit)}${max === null ? "" : ` of ${amount(max, unit)}`}`;
    return near ? paint.yellow(text) : text;
  });
  const reach = window === null || window.earliest === null || window.latest === null ? undefined : window;
  return [
    `  ${paint.dim("window")}  ${reach === undefined ? paint.red("off: no past instant can be reached") : `${day(reach.earliest ?? "")} to ${day(reach.latest ?? "")}`}`,
    ...(use.length === 0 ? [] : [`  ${paint.dim("in use")}  ${use.join(", ")}`]),
    ...drift.flatMap(({ message, blocked }) => (blocked === undefined ? [] : [`  ${paint.yellow("!")} ${message}: ${blocked}`])),
    ...warnings.map((warning) => `  ${paint.yellow("!")} ${warning}`),
  ];
}
