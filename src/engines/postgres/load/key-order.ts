// The order in which tables are filled where foreign keys are checked while rows arrive.
import type { TocEntry } from "../archive/contents.ts";
import { beginnings, referencedTable } from "./selection.ts";

/** Tables that others refer to come first; within a circle, the archive's order stays. */
export function inKeyOrder(entries: readonly TocEntry[], all: readonly TocEntry[]): TocEntry[] {
  const data = new Map(entries.filter((entry) => entry.kind === "TABLE DATA").map((entry) => [`${entry.schema}.${entry.name}`, entry]));
  const references = referencesOf(all, data);
  const ordered = new Set(othersFirst(data.values(), (table) => references.get(table) ?? []));
  return [...ordered, ...entries.filter((entry) => !ordered.has(entry))];
}

/** Each after those that must be before it; within a circle, the given order stays. */
export function othersFirst(all: Iterable<TocEntry>, before: (entry: TocEntry) => readonly TocEntry[]): TocEntry[] {
  const ordered: TocEntry[] = [];
  const begun = new Set<TocEntry>();
  const begin = (entry: TocEntry) => {
    begun.add(entry);
    return { entry, before: before(entry).values() };
  };
  for (const first of all) {
    if (begun.has(first)) continue;
    // A stack of our own: a chain may be longer than the language's is deep.
    const stack = [begin(first)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.before.next();
      if (next.done === true) {
        ordered.push(top.entry);
        stack.pop();
      } else if (!begun.has(next.value)) stack.push(begin(next.value));
    }
  }
  return ordered;
}

/** The tables that each table refers to, of those that are filled. */
function referencesOf(all: readonly TocEntry[], data: ReadonlyMap<string, TocEntry>): Map<TocEntry, TocEntry[]> {
  const references = new Map<TocEntry, TocEntry[]>();
  for (const key of all) {
    if (key.kind !== "FK CONSTRAINT") continue;
    const referenced = data.get(referencedTable(key)?.replaceAll('"', "") ?? "");
    if (referenced === undefined) continue;
    for (const name of beginnings(key)) {
      const table = data.get(name);
      if (table === undefined) continue;
      const known = references.get(table);
      if (known === undefined) references.set(table, [referenced]);
      else known.push(referenced);
    }
  }
  return references;
}
