// What the thread that assembles an archive and the one that feeds it tell each other.
import type { ErrorCode } from "../../../core/errors.ts";
import type { WrittenCollection } from "./assembly.ts";

export type ToThread =
  | { readonly kind: "add"; readonly index: number; readonly documents: Uint8Array; readonly count: number }
  | { readonly kind: "close"; readonly index: number }
  | { readonly kind: "begin" }
  /** All has been given; the judgement. */
  | { readonly kind: "end" };

/** One answer to each message, in order. */
export type FromThread =
  | { readonly kind: "pieces"; readonly pieces: readonly Uint8Array[] }
  | { readonly kind: "end"; readonly written: readonly WrittenCollection[] }
  | { readonly kind: "failed"; readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string } };
