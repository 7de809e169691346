// Small JSON objects that count only with a signature. The signature is a file beside the object, which a standard tool verifies:
//   openssl pkeyutl -verify -pubin -inkey writer.pem -rawin -in manifest.json -sigfile manifest.json.<digest>.sig
//
// The name of the signature contains a digest (the first 16 digits of the SHA-256 of the object's bytes). So an object can be replaced
// without being unsigned at any moment: its new signature is stored before it, under another name.
import { createHash } from "node:crypto";
import * as z from "zod/mini";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo, PutOptions, Storage } from "../ports/storage.ts";
import { format, prose, type Schema } from "./fields.ts";
import { encodeJson, getBytes, parseObject } from "./json-object.ts";
import type { Repository } from "./repository.ts";
import { requireWriter, SIGNATURE_BYTES, signerOf, type TrustedKey } from "./trust.ts";

/** The type and repository are part of every signed object, so that one object cannot replace another. */
const OBJECT_TYPES = [
  "repository",
  "manifest",
  "marks",
  "job",
  "log-segment",
  "log-history",
  "log-damage",
  "removals",
  "snapshot",
  "evidence",
  "undo",
  "alerts",
  "pauses",
  "approval-plan",
  "approval-end",
  "guard",
  "erasures",
  "recovery",
] as const;

export type ObjectType = (typeof OBJECT_TYPES)[number];

interface Envelope {
  readonly format: 1;
  readonly type: ObjectType;
  readonly repository: string;
}

/** The fields of every signed object, in addition to those of its schema. */
const envelopeSchema: Schema<Envelope> = z.looseObject({
  format,
  type: z.enum(OBJECT_TYPES),
  repository: prose,
});

export interface Signed<T> {
  readonly value: T;
  /** The SHA-256 of the object's bytes, in lower-case hexadecimal. */
  readonly digest: string;
  /** The signer. Absent: no trusted key signed these bytes, and nothing may depend on them. */
  readonly signedBy: TrustedKey | undefined;
}

/** Returns the name of the signature of these bytes. */
export const signatureName = (name: string, digest: string): string => `${name}.${digest.slice(0, 16)}.sig`;

/** Returns the object of a signature, by its name. Undefined: it is not the name of a signature. */
export const objectOfSignature = (name: string): string | undefined => /^(.+)\.[0-9a-f]{16}\.sig$/.exec(name)?.[1];

export interface PutSigned extends PutOptions {
  /** The digest of the replaced bytes, whose signature is then deleted. */
  readonly replaces?: string | undefined;
}

export interface PutResult extends ObjectInfo {
  readonly digest: string;
}

/** A signed object that is not stored yet. */
export interface Prepared {
  /** Stores the signature, under a name that is unique for these bytes. It is harmless before the object exists. */
  storeSignature(options?: Pick<PutSigned, "lockUntil" | "signal">): Promise<void>;
  /** Stores the object. Throws STORAGE_CONFLICT, without a change, when a condition of `options` does not hold. */
  commit(options?: PutSigned): Promise<PutResult>;
}

/** Signs a value. Throws KEY_MISSING without a writer key. */
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

/** Signs and stores a value, the signature first, so that no reader sees an unsigned object. Throws the errors of both steps. */
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

/** A signature without its object has no meaning, so it stays where it cannot be deleted (an append-only key, a lock). */
async function removeQuietly(storage: Storage, name: string): Promise<void> {
  await storage.delete(name).catch(() => undefined);
}

/** Attempts, because an object may be replaced between reading it and its signature. */
const ATTEMPTS = 5;

/**
 * Reads and validates an object, and finds its signer. Undefined: it does not exist. Throws INTEGRITY when it is invalid or belongs to
 * another repository, FORMAT_UNKNOWN when a newer version wrote it.
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

/** A file of another size is not a signature. */
async function readSignature(storage: Storage, name: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  try {
    return await getBytes(storage, name, signal, SIGNATURE_BYTES);
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return new Uint8Array();
    throw error;
  }
}

/** Refuses an object that was signed for another place. */
function refuseForeign(storage: Storage, name: string, repository: string, type: ObjectType, value: unknown): void {
  const envelope = envelopeSchema.safeParse(value);
  const home = envelope.success ? envelope.data.repository : undefined;
  if (!envelope.success || envelope.data.type !== type)
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: it is not an object of type ${type}`);
  if (repository !== "" && home !== repository)
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} belongs to another repository`);
}

/** Deletes an object and then its signatures. */
export async function deleteSigned({ storage }: Repository, name: string, signal?: AbortSignal): Promise<void> {
  await storage.delete(name, { signal });
  for await (const object of storage.list(`${name}.`, { signal })) {
    if (objectOfSignature(object.name) === name) await storage.delete(object.name, { signal });
  }
}

/** Attempts to change an object that another process changes concurrently. */
const CHANGES = 8;

/**
 * Changes a signed object: reads it, and replaces exactly the version that was read. `change` returns the new value, or undefined to leave
 * it unchanged. An object that no trusted key signed is not used; `change` then receives undefined.
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

/** A damaged object is replaced, like an unsigned one. Neither counts. */
async function readOrNothing<T>(repository: Repository, type: ObjectType, name: string, schema: Schema<T>): Promise<Signed<T> | undefined> {
  try {
    return await getSigned(repository, type, name, schema);
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return undefined;
    throw error;
  }
}
