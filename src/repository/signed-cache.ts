// Signed objects that were read and checked before, by their name and version: what has not changed in the storage is not read again.
// A cache of contents, never of existence: what is asked for was listed just now.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError } from "../core/errors.ts";
import { readAll } from "./read-all.ts";
import type { Signed } from "./signed.ts";
import { objectOfSignature, signatureName } from "./signed.ts";
import type { Trust } from "./trust.ts";

export const CACHE_SCHEMA = `
  create table if not exists object (name text primary key, etag text not null, digest text not null, signer text, json text not null) without rowid;
  create table if not exists meta (key text primary key, value text not null) without rowid;`;

/** What one listing shows of an object: its version, and the names of signatures beside it. */
export interface Listed {
  readonly name: string;
  readonly etag: string;
  readonly signatures: ReadonlySet<string>;
}

/** Gathers a listing: objects by name, each with its signatures. Names come in any order. */
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

/** What was checked against other keys is checked anew. */
export function forgetOtherKeys(database: DatabaseSync, { keys }: Trust): void {
  const wanted = keys
    .map(({ text }) => text)
    .sort()
    .join(" ");
  const found = database.prepare("select value from meta where key = 'keys'").get() as { value: string } | undefined;
  if (found?.value === wanted) return;
  database.exec("delete from object; delete from log;");
  database.prepare("insert or replace into meta values ('keys', ?)").run(wanted);
}

interface Row {
  readonly name: string;
  readonly etag: string;
  readonly digest: string;
  readonly signer: string | null;
  readonly json: string;
}

/**
 * The objects listed under a prefix, by name; those that cannot be read are told to `onFlaw` and left out. `read` gives undefined for
 * one that is gone meanwhile.
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
    // A signature that is gone, or that came since, is a change as well.
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
