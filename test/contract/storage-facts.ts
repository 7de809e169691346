// What the storage contract is told about a storage, and the small words its tests share.
import { LifeboatError } from "../../src/core/errors.ts";
import type { Storage } from "../../src/ports/storage.ts";

export interface StorageUnderTest {
  /** Another adapter on the same place, as another process would open it. The suite closes it. */
  open(): Storage;
  /** Removes everything. */
  close(): Promise<void>;
}

export interface StorageFacts {
  /** Bytes of the large object; must cross into several parts where the storage has parts. */
  readonly largeBytes: number;
  /** Why racing conditional writes cannot be tested here; undefined: they are. */
  readonly noConditionalWrites?: string;
  /** The server ignores conditions on multipart uploads: then they must be refused, not tried. */
  readonly noConditionalMultipart?: boolean;
  /** Why the whole suite cannot run here. */
  readonly skip?: string | undefined;
}

export const text = (words: string): Uint8Array => new TextEncoder().encode(words);
export const hasCode = (code: string) => (error: unknown) => error instanceof LifeboatError && error.code === code;
