// The log archive for people and for machines: the window with both its edges, and what is behind it.
import { formatBytes } from "../../core/duration.ts";
import { shown } from "../../core/visible.ts";
import type { LogStatus, LogWindows } from "../../operations/archive/log-status.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

export function renderLog(log: LogStatus, paint: Paint): string {
  const { window, windows, segments, sizeBytes, slot, warnings } = shown(log);
  const older = windows.filter(({ earliest, latest }) => earliest !== window?.earliest || latest !== window.latest);
  return renderFacts(
    [
      ["  any instant", window === undefined ? "none can be reached" : `${window.earliest} to ${window.latest}`],
      [
        "  also",
        older.map(({ earliest, latest }) => (earliest === latest ? `exactly ${earliest}` : `${earliest} to ${latest}`)).join("\n"),
      ],
      ["  log archive", `${segments} segments, ${formatBytes(sizeBytes)}`],
      [
        "  slot",
        slot?.exists ? `${slot.name}, ${slot.active ? "active" : "nobody fetches from it"}, ${formatBytes(slot.keptBytes)} kept back` : "",
      ],
      ["  warnings", warnings.map(({ code, message }) => `${code}: ${message}`).join("\n")],
    ],
    paint,
  );
}

/** Every recovery window, and each gap in it. */
export const logWindowsJson = ({ source, windows }: LogWindows) =>
  windows.map(({ earliest, latest, timeline }) => ({ source, earliest, latest, timeline }));

export const logGapsJson = ({ source, flaws }: LogWindows) =>
  flaws.map(({ from, to, message }) => ({ source, from: from ?? null, to: to ?? null, message }));

export const logWindowLines = (log: LogWindows): string[] => {
  const { source, windows, flaws } = shown(log);
  return [
    ...windows.map(
      ({ earliest, latest }) => `${source}: ${earliest === latest ? `exactly ${earliest}` : `any instant from ${earliest} to ${latest}`}`,
    ),
    ...flaws.map(({ message }) => `${source}: ${message}`),
  ];
};

export const logJson = ({ segments, bases, sizeBytes, windows, flaws, slot, warnings }: LogStatus) => ({
  segments,
  bases,
  sizeBytes,
  windows: windows.map(({ earliest, latest, timeline, endLsn }) => ({ earliest, latest, timeline, endLsn })),
  flaws,
  slot: slot ?? null,
  warnings,
});
