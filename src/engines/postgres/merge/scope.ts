// Rows of one tenant with all rows that belong to them: a condition on the chosen tables, and through foreign keys on those that refer to them.
import { checkedCondition } from "./condition.ts";
import { type ForeignKey, refers, wholeOf } from "./foreign-keys.ts";
import { fromOf, type Table } from "./tables.ts";

/** The condition of a table as SQL about row `alias`. */
type Condition = (alias: string) => string;

/** Conditions by name of the table: of the chosen ones, and of those whose rows belong to theirs. Each is reached by the shortest ways. */
export function scopeOf(
  where: string,
  chosen: readonly Table[],
  all: readonly Table[],
  keys: readonly ForeignKey[],
): Map<string, Condition> {
  // Columns without an alias mean those of the innermost table, the only one of its level.
  const own = (table: Table): Condition => {
    const condition = checkedCondition(where, (name) => table.columns.some((column) => column.name === name));
    return () => condition;
  };
  const scope = new Map(chosen.map((table) => [table.name, own(table)]));
  let depth = 0;
  for (let reached = new Set(scope.keys()); reached.size > 0; ) {
    const next = new Map<string, Condition[]>();
    for (const key of keys) {
      const [child, parent] = [wholeOf(all, key.child), wholeOf(all, key.parent)];
      if (child === undefined || parent === undefined || !reached.has(parent.name) || scope.has(child.name)) continue;
      const above = scope.get(parent.name);
      const p = `p${depth}_${next.get(child.name)?.length ?? 0}`;
      const condition: Condition = (alias) =>
        `exists (select from ${fromOf(parent)} ${p} where ${refers(key, child, parent, alias, p)} and ${above?.(p) ?? "true"})`;
      next.set(child.name, [...(next.get(child.name) ?? []), condition]);
    }
    for (const [name, conditions] of next) scope.set(name, (alias) => `(${conditions.map((each) => each(alias)).join(" or ")})`);
    reached = new Set(next.keys());
    depth++;
  }
  return scope;
}
