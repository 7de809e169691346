// Which definitions of a fingerprint are of objects that a load left out on purpose.
import type { Omission } from "../../../core/fingerprint.ts";

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
  if (!RELATIONS.has(kind)) return (key) => own.test(key);
  // A relation takes its columns, constraints, triggers, rules and policies along.
  const within = new RegExp(
    `^${BEFORE}(?:column|acl column|(?:foreign )?table column|view column) ${name}\\..+$|^${BEFORE}[a-z ]+ .* on ${name}$`,
  );
  return (key) => own.test(key) || within.test(key);
}
