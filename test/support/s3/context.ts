// What the operations of the S3 emulator share.
import type { Faults } from "./faults.ts";
import type { ObjectStore } from "./store.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly xml?: string;
  readonly body?: AsyncIterable<Uint8Array>;
}

/** What every operation may use. */
export interface ServerContext {
  readonly bucket: string;
  readonly store: ObjectStore;
  readonly faults: Faults;
  readonly minPartBytes: number;
  readonly maxCopyBytes: number;
  readonly pageSize: number;
  readonly thawMs: number;
  now(): number;
  /** Counts bytes against the capacity; throws 507 when it is used up. */
  takeSpace(bytes: number): void;
}
