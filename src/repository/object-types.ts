// The type and repository inside every signed object, so that one object cannot replace another.

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

/** The fields of every signed object, in addition to those of its schema. */
export const envelopeSchema: Schema<Envelope> = z.looseObject({
  format,
  type: z.enum(OBJECT_TYPES),
  repository: prose,
});
