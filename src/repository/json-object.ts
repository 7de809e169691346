// Small JSON objects in a storage: written indented, read with a size limit and a schema, with a clear message when they are invalid.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo, PutOptions, Storage } from "../ports/storage.ts";
import type { Schema } from "./fields.ts";

const LIMIT_BYTES = 32 * 1024 * 1024;

/** Serialises a value as indented JSON with a final newline. */
export const encodeJson = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** Writes a value that requires no signature. */
export async function putJson(storage: Storage, name: string, value: unknown, options: PutOptions = {}): Promise<ObjectInfo> {
  return storage.put(name, encodeJson(value), options);
}

/** Reads the bytes of a small object. Undefined: there is none. Throws INTEGRITY when it is larger than `limitBytes`. */
export async function getBytes(
  storage: Storage,
  name: string,
  signal?: AbortSignal,
  limitBytes = LIMIT_BYTES,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of storage.get(name, { signal })) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > limitBytes)
        throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is larger than a file of its kind can be`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (isLifeboatError(error, "OBJECT_MISSING")) return undefined;
    throw error;
  }
  return Buffer.concat(chunks);
}

/** Reads an object that requires no signature. Undefined: there is none. Throws INTEGRITY, FORMAT_UNKNOWN. */
export async function getJson<T>(storage: Storage, name: string, schema: Schema<T>, signal?: AbortSignal): Promise<T | undefined> {
  const bytes = await getBytes(storage, name, signal);
  return bytes === undefined ? undefined : parseObject(storage, name, bytes, schema);
}

/** Parses an object. Throws INTEGRITY with the object and the place in it, FORMAT_UNKNOWN for an object of a newer version. */
export function parseObject<T>(storage: Storage, name: string, bytes: Uint8Array, schema: Schema<T>): T {
  const damaged = (why: string, cause?: unknown): LifeboatError =>
    new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw damaged("it is not valid JSON", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged("it is not a JSON object");
  const { format } = value as { readonly format?: unknown };
  if (typeof format === "number" && format > 1) {
    throw new LifeboatError("FORMAT_UNKNOWN", `${name} in ${storage.url} has format ${format}; this version knows format 1`);
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw damaged(`${issue?.path.join(".") || "it"}: ${issue?.message ?? "it is not valid"}`);
}
