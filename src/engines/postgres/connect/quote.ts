// Names and texts in statements: the only place where either is put between quotes.
import { LifeboatError } from "../../../core/errors.ts";

/** A name as SQL, any characters included. NAME_INVALID for what no name of a server can hold. */
export function quoteName(name: string): string {
  return `"${withoutNul(name).replaceAll('"', '""')}"`;
}

/** The same where people read it: as SQL writes it, in quotes only where they are required. */
export function readableName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteName(name);
}

/** A text as an SQL literal, for statements that take no parameters. */
export function quoteText(text: string): string {
  const quoted = withoutNul(text).replaceAll("'", "''");
  return quoted.includes("\\") ? ` E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

/** A text where the grammar has no escapes: in a command of the replication protocol, and in a condition of `--where`. */
export function quotePlain(text: string): string {
  return `'${withoutNul(text).replaceAll("'", "''")}'`;
}

function withoutNul(text: string): string {
  if (!text.includes("\0")) return text;
  throw new LifeboatError("NAME_INVALID", "a name or text for PostgreSQL holds a NUL character");
}
