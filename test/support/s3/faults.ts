// Faults that a test asks for, and when they apply.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { S3Error } from "./errors.ts";

export const OPERATIONS = [
  "AbortMultipartUpload",
  "CompleteMultipartUpload",
  "CopyObject",
  "CreateMultipartUpload",
  "DeleteObject",
  "GetObject",
  "HeadBucket",
  "HeadObject",
  "ListMultipartUploads",
  "ListObjectsV2",
  "ListParts",
  "PutObject",
  "RestoreObject",
  "UploadPart",
  "UploadPartCopy",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Operations that change what is stored. */
export const CHANGES: readonly Operation[] = OPERATIONS.filter((name) => !/^(Get|Head|List)/.test(name));

/** One fault of the next `times` requests of these operations. Default: one request of any operation. */
export interface Fault {
  readonly operation?: Operation | readonly Operation[];
  readonly times?: number;
  readonly effect:
    | { readonly kind: "latency"; readonly ms: number }
    | { readonly kind: "status"; readonly status: number; readonly code: string; readonly retryAfterSeconds?: number }
    /** The connection breaks before anything was done, after it was done (a lost answer), or never answers. */
    | { readonly kind: "dropBefore" }
    | { readonly kind: "dropAfter" }
    | { readonly kind: "stall" }
    /** The answer's body breaks off (`drop`) or stops (`stall`) after so many bytes. */
    | { readonly kind: "cutAnswer"; readonly afterBytes: number; readonly ending: "drop" | "stall" };
}

/** What the server does wrong: set fields for all requests, or queue single faults with `next`. */
export interface Faults {
  next(fault: Fault): void;
  /** Forgets every queued fault and every setting. */
  clear(): void;
  /** Capacity in bytes of stored bodies; beyond it 507. */
  capacityBytes: number;
  /** Refuses checksum headers and trailers, as old servers do. */
  refuseChecksums: false | { readonly status: number; readonly code: string };
  /** `refuse`: 501; `ignore`: writes without the condition, as old servers do. */
  conditionalWrites: "honour" | "refuse" | "ignore";
  /** Lists folders whose objects were all deleted, as servers with versioning do (MinIO). */
  ghostFolders: boolean;
  /** Requests seen so far, by operation. */
  readonly seen: Map<Operation, number>;
}

export function makeFaults(): Faults & { take(operation: Operation): Fault["effect"] | undefined } {
  let queued: { operations: readonly Operation[]; left: number; effect: Fault["effect"] }[] = [];
  return {
    capacityBytes: Number.POSITIVE_INFINITY,
    refuseChecksums: false,
    conditionalWrites: "honour",
    ghostFolders: false,
    seen: new Map(),
    next(fault) {
      const { operation = OPERATIONS, times = 1, effect } = fault;
      queued.push({ operations: [operation].flat(), left: times, effect });
    },
    clear() {
      queued = [];
      this.capacityBytes = Number.POSITIVE_INFINITY;
      this.refuseChecksums = false;
      this.conditionalWrites = "honour";
      this.ghostFolders = false;
    },
    take(operation) {
      this.seen.set(operation, (this.seen.get(operation) ?? 0) + 1);
      const found = queued.find((each) => each.left > 0 && each.operations.includes(operation));
      if (found === undefined) return undefined;
      found.left--;
      return found.effect;
    },
  };
}

/** Applies the fault before the request is carried out. Returns false when it must not be carried out, and gets no answer. */
export async function applyBefore(effect: Fault["effect"] | undefined, response: ServerResponse): Promise<boolean> {
  switch (effect?.kind) {
    case "latency":
      await sleep(effect.ms, undefined, { ref: false });
      return true;
    case "dropBefore":
      response.socket?.destroy();
      return false;
    case "stall":
      return false;
    case "status":
      throw new S3Error(
        effect.status,
        effect.code,
        "A fault was asked for.",
        effect.retryAfterSeconds === undefined ? {} : { "retry-after": String(effect.retryAfterSeconds) },
      );
    default:
      return true;
  }
}
