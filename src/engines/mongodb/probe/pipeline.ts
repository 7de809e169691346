// A question written as an aggregation pipeline, in extended JSON: read, and refused when it would write.

import { EJSON } from "bson";
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";

/** Stages that write. */
const WRITING = new Set(["$out", "$merge"]);

/** USAGE when it is no pipeline, or one that writes. */
export function parsePipeline(text: string): Document[] {
  let parsed: unknown;
  try {
    parsed = EJSON.parse(text, { relaxed: false });
  } catch (cause) {
    throw new LifeboatError("USAGE", `the pipeline is no extended JSON: ${(cause as Error).message}`, { cause });
  }
  if (!Array.isArray(parsed) || !parsed.every((stage) => typeof stage === "object" && stage !== null)) {
    throw new LifeboatError("USAGE", "the pipeline is no list of stages");
  }
  refuseWriting(parsed);
  return parsed as Document[];
}

function refuseWriting(value: unknown): void {
  if (Array.isArray(value)) {
    for (const each of value) refuseWriting(each);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (WRITING.has(key)) throw new LifeboatError("USAGE", `the pipeline would write, with ${key}: a check only reads`);
    refuseWriting(inner);
  }
}
