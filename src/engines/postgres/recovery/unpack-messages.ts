// What the thread that unpacks an archive and the one that feeds it tell each other.
import type { ErrorCode } from "../../../core/errors.ts";
import type { ServerUser } from "../../../process/server-user.ts";

export interface UnpackTask {
  readonly root: string;
  readonly owner: ServerUser | undefined;
  /** Files and directories of the root that are not written. */
  readonly leftOut: readonly string[];
}

export type ToThread =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** The archive has ended. */
  | { readonly kind: "end" }
  /** Something failed elsewhere: give everything back that is open. */
  | { readonly kind: "abandon" };

export type FromThread =
  /** So many bytes have been dealt with, and these files begin in them. */
  | { readonly kind: "taken"; readonly sizeBytes: number; readonly files: readonly (readonly [path: string, sizeBytes: number])[] }
  | { readonly kind: "done" }
  | {
      readonly kind: "failed";
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly details: Readonly<Record<string, unknown>>;
        readonly hint: string;
      };
    };
