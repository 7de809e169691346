// The password of an address that holds none, from the password file, as libpq finds it.
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { ConnectionParts } from "./url.ts";

const DEFAULT_SOCKETS = new Set(["/tmp", "/var/run/postgresql", "/run/postgresql"]);

/** Throws CONFIG_INVALID or SECRET_EXPOSED for a file that the address names and that cannot be used; libpq would log in without it. */
export function passwordOf(parts: ConnectionParts): string | undefined {
  if (parts.password !== undefined) return parts.password;
  const named = parts.parameters.passfile;
  const file = named ?? (process.env.PGPASSFILE || join(homedir(), ".pgpass"));
  if (named === undefined && !existsSync(file)) return undefined;
  let text: string;
  try {
    // Where others can read it, libpq passes over the file.
    if ((statSync(file).mode & 0o077) !== 0) {
      if (named === undefined) return undefined;
      throw new LifeboatError("SECRET_EXPOSED", `other users can read the password file ${file}`, { hint: `run \`chmod 600 ${file}\`` });
    }
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof LifeboatError) throw cause;
    if (named === undefined) return undefined;
    throw new LifeboatError("CONFIG_INVALID", `the password file ${file} cannot be read`, { cause });
  }
  const host = DEFAULT_SOCKETS.has(parts.host) ? "localhost" : parts.host;
  const wanted = [host, String(parts.port), parts.database, parts.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) => field);
    const fits = wanted.every((value, at) => fields[at] === "*" || unescaped(fields[at] ?? "") === value);
    if (fits && fields[4] !== undefined) return unescaped(fields[4]);
  }
  return undefined;
}

const unescaped = (field: string): string => field.replaceAll(/\\(.)/g, "$1");
