// What the fingerprint leaves out by nature, named so that it is not taken for checked.
import type { Omission } from "../../../core/fingerprint.ts";
import type { Relation } from "./relations.ts";

/** Beyond this many of a kind, one entry stands for the rest. */
const NAMED_PER_KIND = 50;

interface Rule {
  readonly kind: string;
  readonly reason: string;
  objects(relation: Relation): readonly string[];
}

const whole = (when: (relation: Relation) => boolean) => (relation: Relation) => (when(relation) ? [relation.name] : []);

const RULES: readonly Rule[] = [
  {
    kind: "generated columns",
    reason: "the server computes them from other columns, which are compared",
    objects: (r) => (r.extension === null ? r.generated.map((column) => `${r.name}.${column}`) : []),
  },
  {
    kind: "materialized view",
    reason: "a restore computes its content anew from the tables, which are compared",
    objects: whole((r) => r.kind === "m"),
  },
  { kind: "foreign table", reason: "its rows live on another server", objects: whole((r) => r.kind === "f") },
];

export function outsideOf(relations: readonly Relation[]): Omission[] {
  return RULES.flatMap(({ kind, reason, objects }) => {
    const found = relations.flatMap(objects);
    const named = found.slice(0, NAMED_PER_KIND).map((object) => ({ kind, object, reason }));
    if (found.length > named.length) named.push({ kind, object: `${found.length - named.length} more`, reason });
    return named;
  });
}
