// The order in which tables are filled where foreign keys are checked while rows arrive.
import type { TocEntry } from "../archive/contents.ts";
import { beginnings, referencedTable } from "./selection.ts";

/** Tables that others refer to come first; within a circle, the archive's order stays. */
export function inKeyOrder(entries: readonly TocEntry[], all: readonly TocEntry[]): TocEntry[] {
  const data = new Map(entries.filter((entry) => entry.kind === "TABLE DATA").map((entry) => [`${entry.schema}.${entry.name}`, entry]));
  const references = referencesOf(all, data);
  const ordered = new Set<TocEntry>();
  const begun = new Set<string>();
  const visit = (name: string) => {
    begun.add(name);
    return { name, referenced: (references.get(name) ?? []).values() };
  };
  for (const first of data.keys()) {
    if (begun.has(first)) continue;
    // A stack of our own: a chain of keys may be longer than the language's is deep.
    const stack = [visit(first)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.referenced.next();
      if (next.done === true) {
        ordered.add(data.get(top.name) as TocEntry);
        stack.pop();
      } else if (!begun.has(next.value)) stack.push(visit(next.value));
    }
  }
  return [...ordered, ...entries.filter((entry) => !ordered.has(entry))];
}

/** The tables that each table refers to, of those that are filled. */
function referencesOf(all: readonly TocEntry[], data: ReadonlyMap<string, TocEntry>): Map<string, string[]> {
  const references = new Map<string, string[]>();
  for (const key of all) {
    if (key.kind !== "FK CONSTRAINT") continue;
    const referenced = referencedTable(key)?.replaceAll('"', "");
    if (referenced === undefined || !data.has(referenced)) continue;
    for (const table of beginnings(key)) {
      if (!data.has(table)) continue;
      const known = references.get(table);
      if (known === undefined) references.set(table, [referenced]);
      else known.push(referenced);
    }
  }
  return references;
}
