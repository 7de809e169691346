// What a signed object is, and of which repository: one cannot be put in the place of another.

import * as z from "zod/mini";
import { format, prose, type Schema } from "./fields.ts";

export const OBJECT_TYPES = [
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
] as const;

export type ObjectType = (typeof OBJECT_TYPES)[number];

export interface Envelope {
  readonly format: 1;
  readonly type: ObjectType;
  readonly repository: string;
}

/** What every signed object says of itself, beside what its own schema asks for. */
export const envelopeSchema: Schema<Envelope> = z.looseObject({
  format,
  type: z.enum(OBJECT_TYPES),
  repository: prose,
});
