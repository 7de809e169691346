// The key of a row as a user writes it, against the columns of its table's key.
import { LifeboatError } from "../../../core/errors.ts";
import type { RowName } from "../../../ports/row-history.ts";
import { quotePlain, readableName } from "../connect/quote.ts";

export interface KeyColumn {
  readonly name: string;
  /** As `format_type` writes it. */
  readonly type: string;
}

/** The values of the key, in the order of its columns. Throws USAGE, naming what to write. */
export function keyValues(table: string, columns: readonly KeyColumn[], given: readonly string[]): string[] {
  const names = columns.map(({ name }) => name);
  if (names.length === 0) {
    throw new LifeboatError("USAGE", `${table} has no primary key: its rows cannot be told apart`, {
      hint: "ask with `lifeboat preview SOURCE --to TIME --query SQL`, or find the instant with `lifeboat find`",
    });
  }
  const [only] = names;
  const [text = ""] = given;
  if (names.length === 1 && given.length === 1 && only !== undefined) {
    return [text.startsWith(`${only}=`) ? text.slice(only.length + 1) : text];
  }
  const values = new Map<string, string>();
  for (const one of given) {
    const name = names.find((each) => one.startsWith(`${each}=`));
    if (name === undefined || values.has(name)) throw misfit(table, names);
    values.set(name, one.slice(name.length + 1));
  }
  return names.map((name) => {
    const value = values.get(name);
    if (value === undefined) throw misfit(table, names);
    return value;
  });
}

function misfit(table: string, names: readonly string[]): LifeboatError {
  const options = names.map((name) => `--key ${name}=VALUE`).join(" ");
  const columns = `${names.length === 1 ? "column" : "columns"} ${names.join(", ")}`;
  return new LifeboatError("USAGE", `the key of ${table} is ${columns}: give ${options}`);
}

const INTEGER = /^(smallint|integer|bigint)$/;
const EXACT = /^(text|character varying(\(\d+\))?|name)$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The value as COPY writes it. Undefined: only a server can say. Throws USAGE for a text that is not a value of the type. */
export function copyText({ name, type }: KeyColumn, value: string): string | undefined {
  const invalid = (): LifeboatError => new LifeboatError("USAGE", `the key is not valid: ${name} is of type ${type}`);
  if (EXACT.test(type)) return value;
  if (INTEGER.test(type)) {
    const digits = value.trim();
    if (!/^[+-]?\d+$/.test(digits)) throw invalid();
    return BigInt(digits.replace(/^\+/, "")).toString();
  }
  if (type === "uuid") {
    const plain = value.trim().toLowerCase();
    if (!UUID.test(plain)) throw invalid();
    return plain;
  }
  if (type === "boolean" && /^(true|t|false|f)$/i.test(value)) return value.slice(0, 1).toLowerCase();
  return undefined;
}

/** The condition that chooses the row, as `--where` takes it. */
export function conditionOf(columns: readonly KeyColumn[], values: readonly string[]): string {
  return columns
    .map(({ name, type }, index) => {
      const value = values[index] ?? "";
      const isNumber = INTEGER.test(type) && /^-?\d+$/.test(value);
      return `${readableName(name)} = ${isNumber ? value : quotePlain(value)}`;
    })
    .join(" and ");
}

/** Throws USAGE for a name that may mean several tables. */
export function assertOneTable({ table }: RowName): void {
  if (/[*?]/.test(table.replaceAll(/"(?:[^"]|"")*"/g, ""))) throw new LifeboatError("USAGE", `${table} may mean several tables: name one`);
}
