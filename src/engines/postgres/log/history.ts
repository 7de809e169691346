// History files: by which timelines a server came to its present one, and where it left each.
import { LifeboatError } from "../../../core/errors.ts";
import type { TimelineHistory } from "../../../core/lsn.ts";

const LINE = /^(\d{1,10})\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(\s|$)/;

/** Oldest first. Lines are `<timeline> <position> <reason>`; empty ones and comments are passed over. Throws INTEGRITY. */
export function readHistory(bytes: Uint8Array): TimelineHistory {
  const switches: { timeline: number; switchedAt: string }[] = [];
  for (const line of Buffer.from(bytes).toString("utf8").split("\n")) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const [, number, position = ""] = LINE.exec(text) ?? [];
    const timeline = Number(number);
    if (!(timeline > (switches.at(-1)?.timeline ?? 0))) {
      throw new LifeboatError("INTEGRITY", "a history file of the log holds a line that is none of a timeline's");
    }
    switches.push({ timeline, switchedAt: position.toUpperCase() });
  }
  return switches;
}
