// The log archive of a source: the recovery window with both its edges, and what is behind it.
import { formatBytes } from "../../core/duration.ts";
import type { Paint } from "./paint.ts";
import type { StatusOfSource } from "./status.ts";
import { renderFacts } from "./table.ts";

export function renderLog(log: NonNullable<StatusOfSource["log"]>, paint: Paint): string {
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
