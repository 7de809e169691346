// The states that an archive will give to sequences. They are not part of a snapshot, so what the dump wrote is the truth to expect.
import type { TocEntry } from "./contents.ts";

// pg_dump writes: SELECT pg_catalog.setval('public."Odd Seq"', 5, true);
const SETVAL = /setval\('((?:[^']|'')+)', (-?\d+), (true|false)\)/;

/** Sequence states as `last_value,is_called`, by qualified name quoted as the server quotes it. */
export function expectedSequences(entries: readonly TocEntry[]): Record<string, string> {
  const states: Record<string, string> = {};
  for (const entry of entries) {
    if (entry.kind !== "SEQUENCE SET") continue;
    const match = SETVAL.exec(entry.definition);
    const [, name, lastValue, isCalled] = match ?? [];
    if (name !== undefined) states[name.replaceAll("''", "'")] = `${lastValue},${isCalled}`;
  }
  return states;
}
