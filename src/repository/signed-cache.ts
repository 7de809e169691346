// A cache of verified signed objects by name and version: unchanged objects are not read again. It caches contents, never existence; the
// requested objects were listed just now.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError } from "../core/errors.ts";
import { readAll } from "./read-all.ts";
import type { Signed } from "./signed.ts";
import { objectOfSignature, signatureName } from "./signed.ts";
import type { Trust } from "./trust.ts";

export const CACHE_SCHEMA = `
  create table if not exists object (name text primary key, etag text not null, digest text not null, signer text, json text not null);
  create table if not exists meta (key text primary key, value text not null) without rowid;`;

/** A listed object: its version, and the names of the signatures beside it. */
export interface Listed {
  readonly name: string;
  readonly etag: string;
  readonly signatures: ReadonlySet<string>;
}

/** Groups a listing: objects by name, each with its signatures. Names come in any order. */
export class Listing {
  readonly objects = new Map<string, { readonly name: string; readonly etag: string; readonly sizeBytes: number }>();
  readonly #signatures = new Map<string, Set<string>>();

  add(object: { readonly name: string; readonly etag: string; readonly sizeBytes: number }): void {
    const signed = objectOfSignature(object.name);
    if (signed === undefined) this.objects.set(object.name, object);
    else this.#signatures.set(signed, (this.#signatures.get(signed) ?? new Set()).add(object.name));
  }

  of(name: string): Listed | undefined {
    const object = this.objects.get(name);
    return object && { name, etag: object.etag, signatures: this.#signatures.get(name) ?? new Set() };
  }
}

/** Clears the cache when the trusted keys have changed. */
export function forgetOtherKeys(database: DatabaseSync, { keys }: Trust): void {
  const wanted = keys
    .map(({ text }) => text)
    .sort()
    .join(" ");
  const found = database.prepare("select value from meta where key = 'keys'").get() as { value: string } | undefined;
  if (found?.value === wanted) return;
  database.exec("delete from object; delete from log; delete from summary;");
  database.prepare("insert or replace into meta values ('keys', ?)").run(wanted);
}

/** The objects under the prefix are read again when they are listed next. */
export function forgetListed(database: DatabaseSync, prefix: string): void {
  database.prepare("delete from object where name >= ? and name < ?").run(prefix, `${prefix}\u{10ffff}`);
}

interface Row {
  readonly name: string;
  readonly etag: string;
  readonly digest: string;
  readonly signer: string | null;
  readonly json: string;
}

/**
 * Returns the listed objects under a prefix, by name. Unreadable ones are reported to `onFlaw` and skipped. `read` returns undefined for an
 * object that was deleted meanwhile.
 */
export async function readListed<T>(
  database: DatabaseSync,
  { keys }: Trust,
  prefix: string,
  listed: readonly Listed[],
  read: (name: string) => Promise<Signed<T> | undefined>,
  onFlaw: (message: string) => void,
): Promise<Map<string, Signed<T>>> {
  const rows = database.prepare("select * from object where name >= ? and name < ?").all(prefix, `${prefix}\u{10ffff}`);
  const known = new Map((rows as unknown as Row[]).map((row) => [row.name, row]));
  const found = new Map<string, Signed<T>>();
  const stale: Listed[] = [];
  for (const object of listed) {
    const row = known.get(object.name);
    known.delete(object.name);
    // A removed or added signature is a change as well.
    const same = row?.etag === object.etag && (row.signer !== null) === object.signatures.has(signatureName(object.name, row.digest));
    if (row === undefined || !same) stale.push(object);
    else {
      const signedBy = keys.find(({ text }) => text === row.signer);
      found.set(object.name, { value: JSON.parse(row.json) as T, digest: row.digest, signedBy });
    }
  }
  const fresh: Row[] = [];
  await readAll(stale, async ({ name, etag }) => {
    try {
      const object = await read(name);
      if (object === undefined) return;
      found.set(name, object);
      fresh.push({ name, etag, digest: object.digest, signer: object.signedBy?.text ?? null, json: JSON.stringify(object.value) });
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
      onFlaw(error.message);
    }
  });
  if (known.size > 0 || fresh.length > 0) {
    const insert = database.prepare("insert or replace into object values (?, ?, ?, ?, ?)");
    const remove = database.prepare("delete from object where name = ?");
    inTransaction(database, () => {
      for (const name of known.keys()) remove.run(name);
      for (const { name, etag, digest, signer, json } of fresh) insert.run(name, etag, digest, signer, json);
    });
  }
  return found;
}

export function inTransaction(database: DatabaseSync, run: () => void): void {
  database.exec("begin immediate");
  try {
    run();
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    throw error;
  }
}
