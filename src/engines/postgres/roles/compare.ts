// Roles of a server against those that a backup describes: what the application would miss is named, with the statements that create it.
import type { Check } from "../../../core/verdict.ts";
import type { Client } from "../connect/client.ts";
import { ATTRIBUTES, describeNamed, type Role, type Roles } from "./description.ts";
import { attributeWord, createStatements } from "./statements.ts";

export interface CompareRolesOptions {
  /** Only these; absent: all that are described. */
  readonly only?: ReadonlySet<string> | undefined;
  /** A server that is thrown away: only the roles made on it count, and nothing that was left out there on purpose. */
  readonly scratch?: { readonly made: ReadonlySet<string>; readonly leftOut: ReadonlySet<string> } | undefined;
}

const NAMED = 100;

/** One check that passes, or one for each role that is missing or differs. Empty where there is no role to compare. */
export async function compareRoles(client: Client, described: Roles, { only, scratch }: CompareRolesOptions): Promise<Check[]> {
  const counts = (name: string): boolean => (only?.has(name) ?? true) && (scratch?.made.has(name) ?? true);
  const roles = described.roles.filter(({ name }) => counts(name));
  if (roles.length === 0) return [];
  const actual = await describeNamed(
    (sql, values) => client.query(sql, values),
    roles.map(({ name }) => name),
  );
  const found = new Map(actual.roles.map((role) => [role.name, role]));
  const checks = roles.flatMap((role): Check[] => {
    const other = found.get(role.name);
    const name = `role ${role.name}`;
    if (other === undefined) {
      const message = `it is missing on the server: ${createStatements(role, described)}`;
      return [{ name, kind: "schema", outcome: "inconclusive", message }];
    }
    const differences = [...differencesOf(role, other), ...missingMemberships(role, described, actual)]
      .filter(({ object }) => scratch?.leftOut.has(object) !== true)
      .map(({ words }) => words);
    if (differences.length === 0) return [];
    return [{ name, kind: "schema", outcome: "inconclusive", message: `it differs from the source's: ${differences.join("; ")}` }];
  });
  if (checks.length > NAMED) {
    const message = `and ${checks.length - NAMED} more`;
    return [...checks.slice(0, NAMED), { name: "roles that differ", kind: "schema", outcome: "inconclusive", message }];
  }
  if (checks.length > 0) return checks;
  const message = `all ${roles.length} roles have the source's attributes, memberships and settings`;
  return [{ name: "roles", kind: "schema", outcome: "pass", message }];
}

/** Statements that create the described roles that the server lacks, one text for each. */
export async function missingRoles(client: Client, described: Roles): Promise<string[]> {
  const actual = await describeNamed(
    (sql, values) => client.query(sql, values),
    described.roles.map(({ name }) => name),
  );
  const found = new Set(actual.roles.map(({ name }) => name));
  return described.roles.filter(({ name }) => !found.has(name)).map((role) => createStatements(role, described));
}

/** `object`: as `finishRoles` names what it leaves out. */
interface Difference {
  readonly object: string;
  readonly words: string;
}

function differencesOf(role: Role, other: Role): Difference[] {
  const { name } = role;
  const differences: Difference[] = ATTRIBUTES.filter((one) => role.attributes.includes(one) !== other.attributes.includes(one)).map(
    (one) => ({
      object: `${name} ${attributeWord(one)}`,
      words: `${attributeWord(one)} is ${role.attributes.includes(one) ? "missing" : "set"}`,
    }),
  );
  const add = (object: string, words: string): void => void differences.push({ object: `${name} ${object}`, words });
  if (role.connectionLimit !== other.connectionLimit)
    add("CONNECTION LIMIT", `the connection limit is ${other.connectionLimit}, not ${role.connectionLimit}`);
  if (role.validUntil !== other.validUntil)
    add("VALID UNTIL", `it is valid until ${other.validUntil ?? "forever"}, not ${role.validUntil ?? "forever"}`);
  const [before, after] = [role.settings, other.settings].map((settings) => new Map(settings.map((one) => [one.name, one.value])));
  const settings = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  for (const one of settings) if (before?.get(one) !== after?.get(one)) add(one, `the setting ${one} differs`);
  return differences;
}

/** What a server adds by itself, such as the membership of a role's creator, is not a difference. */
function missingMemberships(role: Role, described: Roles, actual: Roles): Difference[] {
  return described.memberships
    .filter(({ member }) => member === role.name)
    .flatMap((one) => {
      const object = `${one.member} in ${one.role}`;
      const other = actual.memberships.find(({ role: group, member }) => group === one.role && member === one.member);
      if (other === undefined) return [{ object, words: `it is not a member of ${one.role}` }];
      const differs = (a: boolean | undefined, b: boolean | undefined): boolean => a !== undefined && b !== undefined && a !== b;
      const options = one.admin !== other.admin || differs(one.inherit, other.inherit) || differs(one.set, other.set);
      return options ? [{ object, words: `its membership in ${one.role} has other options` }] : [];
    });
}
