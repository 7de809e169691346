// Which definitions of a fingerprint a copy need not have: of what a load left out on purpose, or the kind of backup does not hold.
import type { Fingerprint, Omission } from "../../../core/fingerprint.ts";

/** A materialized view that exists without its rows: refreshing it takes rights that the load does not have. */
export const UNFILLED = "rows of materialized view";
/** A table that exists without its rows: a constraint of its own could not be checked in scratch. */
export const ROWS_OF_TABLE = "rows of table";
export const isUnfilled = ({ kind }: Omission): boolean => kind === UNFILLED;

/** Whether a definition of the fingerprint is of something that was left out. */
export function definitionsOf(leftOut: readonly Omission[]): (key: string) => boolean {
  const tests = leftOut.map(({ kind, object }) => testOf(kind, object));
  return (key) => {
    const plain = key.replaceAll('"', "");
    return tests.some((test) => test(plain));
  };
}

const RELATIONS = new Set(["table", "foreign table", "view", "materialized view", "sequence", "index"]);
const BEFORE = "(?:(?:owner|acl|comment|security label) )?";
const escaped = (text: string): string => text.replaceAll('"', "").replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

function testOf(kind: string, object: string): (key: string) => boolean {
  const name = escaped(object);
  const words = kind === "foreign data wrapper" ? "foreign(?: |-)data(?: |-)wrapper" : kind;
  const own = new RegExp(`^${BEFORE}(?:${words}|extension version|type) ${name}$`);
  if (kind === "server")
    return (key) => own.test(key) || new RegExp(`^(?:owner |comment |acl )?user mapping for .* on (?:server )?${name}$`).test(key);
  if (kind === "function" || kind === "procedure" || kind === "aggregate") {
    const routine = new RegExp(`^${BEFORE}(?:function|procedure|aggregate|aggregate definition) ${name}$`);
    return (key) => routine.test(key);
  }
  if (kind === UNFILLED) return (key) => key === `materialized view ${object.replaceAll('"', "")}`;
  if (kind === ROWS_OF_TABLE) return (key) => key === `${ROWS_OF_TABLE} ${object.replaceAll('"', "")}`;
  // An archive names a policy or a constraint by its table and its own name.
  const ofTable = /\b(policy|constraint)$/.exec(kind)?.[1];
  if (ofTable !== undefined) {
    const plainly = object.replaceAll('"', "");
    return (key) => {
      const [, part, table] = new RegExp(`^${BEFORE}${ofTable} (.+) on (.+)$`, "s").exec(key) ?? [];
      return part !== undefined && `${table} ${part}` === plainly;
    };
  }
  if (!RELATIONS.has(kind)) return (key) => own.test(key);
  // A relation takes its columns, constraints, triggers, rules and policies along.
  const within = new RegExp(
    `^${BEFORE}(?:column|acl column|(?:foreign )?table column|view column) ${name}\\..+$|^${BEFORE}[a-z ]+ .* on ${name}$`,
  );
  return (key) => own.test(key) || within.test(key);
}

/** Definitions that a backup of this kind does not hold, though they belong to what it is about. */
const NOT_HELD: Readonly<Partial<Record<Fingerprint["scope"]["kind"], RegExp>>> = {
  schema: /^(owner|acl|comment|security label) large object /,
  // pg_dump leaves extended statistics to backups of the whole schema.
  tables: /^(?:owner |comment )?statistics /,
};

/** The source's definitions, without those that its kind of backup does not hold and the copy lacks. */
export function definitionsIn({ schema, scope }: Fingerprint, copy: Fingerprint): Fingerprint["schema"] {
  const without = NOT_HELD[scope.kind];
  return without === undefined
    ? schema
    : Object.fromEntries(Object.entries(schema).filter(([key]) => key in copy.schema || !without.test(key)));
}
