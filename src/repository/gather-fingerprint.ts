// Parses the plain bytes of a fingerprint part. They come from a storage, so all of them are validated.
import * as z from "zod/mini";
import { LifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import { count, maybe, named, omission, prose, type Schema, word } from "./fields.ts";

const tableFacts = z.looseObject({ rows: z.number(), digest: z.nullable(prose) });

/** The schema of a fingerprint part. Names of objects are those of the source. */
export const fingerprintSchema: Schema<Fingerprint> = z.looseObject({
  algorithm: word,
  scope: z.looseObject({
    kind: z.enum(["full", "data", "schema", "tables"]),
    tables: maybe(z.array(z.string())),
    along: maybe(z.boolean()),
  }),
  tables: named(tableFacts),
  sequences: named(z.string()),
  schema: named(z.string()),
  largeObjects: maybe(z.looseObject({ count, digest: z.nullable(z.string()) })),
  extensionContent: maybe(named(z.string())),
  outside: z.array(omission),
  unhashed: z.array(omission),
});

/** Throws INTEGRITY when the bytes are not a valid fingerprint. */
export async function gatherFingerprint(bytes: AsyncIterable<Uint8Array>): Promise<Fingerprint> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", "the fingerprint of the backup is not valid JSON", { cause });
  }
  const read = fingerprintSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new LifeboatError("INTEGRITY", `the fingerprint of the backup is damaged: ${issue?.path.join(".")}: ${issue?.message}`);
}
