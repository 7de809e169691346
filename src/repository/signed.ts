// Small JSON objects that count only with a signature. The signature is a file beside the object that any tool checks:
//   openssl pkeyutl -verify -pubin -inkey writer.pem -rawin -in manifest.json -sigfile manifest.json.<digest>.sig
//
// The digest (the first 16 digits of the SHA-256 of the object's bytes) in the signature's name lets an object be replaced
// without a moment in which it is unsigned: its new signature is there before it, under a name of its own.
import { createHash } from "node:crypto";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo, PutOptions, Storage } from "../ports/storage.ts";
import type { Schema } from "./fields.ts";
import { encodeJson, getBytes, parseObject } from "./json-object.ts";
import { envelopeSchema, type ObjectType } from "./object-types.ts";
import type { Repository } from "./repository.ts";
import { requireWriter, SIGNATURE_BYTES, signerOf, type TrustedKey } from "./trust.ts";

export interface Signed<T> {
  readonly value: T;
  /** SHA-256 of the object's bytes, lower-case hexadecimal. */
  readonly digest: string;
  /** Absent: no trusted key has signed these bytes, and nothing may depend on them. */
  readonly signedBy: TrustedKey | undefined;
}

/** What the signature of these bytes is called, beside the object. */
export const signatureName = (name: string, digest: string): string => `${name}.${digest.slice(0, 16)}.sig`;

/** The object whose signature this is the name of; undefined: it is not the name of a signature. */
export const objectOfSignature = (name: string): string | undefined => /^(.+)\.[0-9a-f]{16}\.sig$/.exec(name)?.[1];

export interface PutSigned extends PutOptions {
  /** Digest of the bytes that these replace, whose signature is then removed. */
  readonly replaces?: string | undefined;
}

export interface PutResult extends ObjectInfo {
  readonly digest: string;
}

/** An object that is signed and not stored yet. */
export interface Prepared {
  /** Stores the signature, under a name that only these bytes have: it does no harm before the object is there. */
  storeSignature(options?: Pick<PutSigned, "lockUntil" | "signal">): Promise<void>;
  /** Stores the object itself. STORAGE_CONFLICT when a condition of `options` does not hold, and then nothing is changed. */
  commit(options?: PutSigned): Promise<PutResult>;
}

/** Signs a value. KEY_MISSING without a writer key. */
export function prepareSigned({ storage, trust, identity }: Repository, type: ObjectType, name: string, value: object): Prepared {
  const bytes = encodeJson({ format: 1, ...value, type, repository: identity.id });
  const digest = createHash("sha256").update(bytes).digest("hex");
  const signature = requireWriter(trust).sign(bytes);
  return {
    storeSignature: async (options = {}) => void (await storage.put(signatureName(name, digest), signature, options)),
    async commit({ replaces, ...options } = {}) {
      const info = await storage.put(name, bytes, options);
      if (replaces !== undefined && replaces !== digest) await removeQuietly(storage, signatureName(name, replaces));
      return { ...info, digest };
    },
  };
}

/** Signs and stores a value, the signature first: no object is ever seen without its own. Errors as those of the two steps. */
export async function putSigned(
  repository: Repository,
  type: ObjectType,
  name: string,
  value: object,
  options: PutSigned = {},
): Promise<PutResult> {
  const prepared = prepareSigned(repository, type, name, value);
  const { signal, lockUntil } = options;
  await prepared.storeSignature({ signal, lockUntil });
  return prepared.commit(options);
}

/** A signature without its object means nothing: where it cannot be removed (an append-only key, a lock), it stays. */
async function removeQuietly(storage: Storage, name: string): Promise<void> {
  await storage.delete(name).catch(() => undefined);
}

/** An object may be replaced between the reading of it and of its signature, and again. */
const ATTEMPTS = 5;

/**
 * Reads an object through its schema, and who signed it. Undefined: it is not there. INTEGRITY: it is not what it should be, or
 * belongs to another repository. FORMAT_UNKNOWN: a newer version wrote it.
 */
export async function getSigned<T>(
  { storage, trust, identity }: Repository,
  type: ObjectType,
  name: string,
  schema: Schema<T>,
  signal?: AbortSignal,
): Promise<Signed<T> | undefined> {
  for (let attempt = 1; ; attempt++) {
    const bytes = await getBytes(storage, name, signal);
    if (bytes === undefined) return undefined;
    const digest = createHash("sha256").update(bytes).digest("hex");
    const signature = await readSignature(storage, signatureName(name, digest), signal);
    if (signature === undefined && attempt < ATTEMPTS) {
      const again = await getBytes(storage, name, signal);
      if (again === undefined || !Buffer.from(again).equals(bytes)) continue;
    }
    const value = parseObject(storage, name, bytes, schema);
    refuseForeign(storage, name, identity.id, type, value);
    return { value, digest, signedBy: signature && signerOf(trust, bytes, signature) };
  }
}

/** A file of another size is not a signature, whatever else it is. */
async function readSignature(storage: Storage, name: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  try {
    return await getBytes(storage, name, signal, SIGNATURE_BYTES);
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return new Uint8Array();
    throw error;
  }
}

/** What is signed for one place must not count in another. */
function refuseForeign(storage: Storage, name: string, repository: string, type: ObjectType, value: unknown): void {
  const envelope = envelopeSchema.safeParse(value);
  const home = envelope.success ? envelope.data.repository : undefined;
  if (!envelope.success || envelope.data.type !== type)
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: it is not an object of type ${type}`);
  if (repository !== "" && home !== repository)
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} belongs to another repository`);
}

/** Removes an object and every signature of it: the object first. */
export async function deleteSigned({ storage }: Repository, name: string, signal?: AbortSignal): Promise<void> {
  await storage.delete(name, { signal });
  for await (const object of storage.list(`${name}.`, { signal })) {
    if (objectOfSignature(object.name) === name) await storage.delete(object.name, { signal });
  }
}

/** Attempts to change an object that another writer is changing at the same moment. */
const CHANGES = 8;

/**
 * Changes an object and keeps it signed: reads it, and replaces exactly the version that was read. `change` gives the new value,
 * or undefined to leave it as it is. What no trusted key has signed is not built upon: `change` then gets undefined.
 */
export async function changeSigned<T extends object>(
  repository: Repository,
  type: ObjectType,
  name: string,
  schema: Schema<T>,
  change: (found: T | undefined) => T | undefined,
): Promise<T | undefined> {
  const { storage } = repository;
  for (let attempt = 1; ; attempt++) {
    const facts = await storage.head(name);
    const found = facts === undefined ? undefined : await readOrNothing(repository, type, name, schema);
    const next = change(found?.signedBy === undefined ? undefined : found.value);
    if (next === undefined) return found?.value;
    try {
      const condition = facts === undefined ? { ifAbsent: true } : { ifMatch: facts.etag };
      await putSigned(repository, type, name, next, { ...condition, replaces: found?.digest });
      return next;
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT") || attempt === CHANGES) throw error;
    }
  }
}

/** What is damaged is replaced as what is unsigned is: neither says anything. */
async function readOrNothing<T>(repository: Repository, type: ObjectType, name: string, schema: Schema<T>): Promise<Signed<T> | undefined> {
  try {
    return await getSigned(repository, type, name, schema);
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return undefined;
    throw error;
  }
}
