// A provider's settings, limits and warnings, as JSON and as text.
import { formatBytes, formatInstant } from "../../core/duration.ts";
import { LIMIT_NEAR_SHARE } from "../../core/provider-health.ts";
import { shown } from "../../core/visible.ts";
import type { Limit, ProviderState } from "../../ports/control.ts";
import type { Paint } from "./paint.ts";

export const stateJson = ({ settings, window, limits, drift, warnings }: ProviderState) => ({
  settings,
  window: { earliest: window?.earliest.toISOString() ?? null, latest: window?.latest.toISOString() ?? null },
  limits: limits.map(limitJson),
  drift,
  warnings,
});

export const limitJson = ({ name, used, max, unit }: Limit) => ({
  name,
  used,
  max: max ?? null,
  unit,
  near: isNear({ name, used, max, unit }),
});

const isNear = ({ used, max }: Limit): boolean => max !== undefined && max > 0 && used / max >= LIMIT_NEAR_SHARE;

const amount = (value: number, unit: Limit["unit"]): string => (unit === "bytes" ? formatBytes(value) : String(value));

/** Lines, indented by two. `drift: false` where it stands among the reasons already. */
export function renderSettings(given: ProviderState, paint: Paint, options: { readonly drift?: boolean } = {}): string[] {
  const state = shown(given);
  const { window, limits, warnings } = state;
  const drift = options.drift === false ? [] : state.drift;
  const use = limits.map((limit) => {
    const { name, used, max, unit } = limit;
    const text = `${name} ${amount(used, unit)}${max === undefined ? "" : ` of ${amount(max, unit)}`}`;
    return isNear(limit) ? paint.yellow(text) : text;
  });
  return [
    `  ${paint.dim("window")}  ${window === undefined ? paint.red("off: no past instant can be reached") : `${formatInstant(window.earliest)} to ${formatInstant(window.latest)}`}`,
    ...(use.length === 0 ? [] : [`  ${paint.dim("in use")}  ${use.join(", ")}`]),
    ...drift.flatMap(({ message, blocked }) => (blocked === undefined ? [] : [`  ${paint.yellow("!")} ${message}: ${blocked}`])),
    ...warnings.map((warning) => `  ${paint.yellow("!")} ${warning}`),
  ];
}
