// Small JSON objects in a storage: written readable, read with a bound and with a clear message when they are not what they should be.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo, PutOptions, Storage } from "../ports/storage.ts";

const LIMIT_BYTES = 32 * 1024 * 1024;

/** Writes a value as indented JSON with a final newline. */
export async function putJson(storage: Storage, name: string, value: unknown, options: PutOptions = {}): Promise<ObjectInfo> {
  return storage.put(name, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`), options);
}

/** Reads a JSON object; undefined when there is none. What is no JSON object is INTEGRITY, with the object named. */
export async function getJson(storage: Storage, name: string, signal?: AbortSignal): Promise<Record<string, unknown> | undefined> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of storage.get(name, { signal })) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > LIMIT_BYTES) throw new LifeboatError("INTEGRITY", `${name} is larger than any file of its kind can be`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (isLifeboatError(error, "OBJECT_MISSING")) return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: it is no JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: it is no JSON object`);
  }
  return value as Record<string, unknown>;
}
