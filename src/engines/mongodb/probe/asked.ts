// What a question is asked of, and what an answer is.
import type { Document } from "mongodb";
import type { Check } from "../../../core/verdict.ts";
import type { Namespace } from "../scope.ts";

export type Answer = Pick<Check, "outcome" | "message"> & Partial<Check>;

/** What a question is asked of: one collection, for so long. */
export interface Asked {
  readonly namespace: Namespace;
  /** One command on the collection's database, read-only, that the server ends at the deadline. */
  command(command: Document): Promise<Document>;
}
