// What a transaction has written and not committed: how to undo it, and what the log will say.
import type { Namespace } from "./catalog.ts";
import type { OplogEntry } from "./oplog.ts";
import type { DocumentVersion, Slot } from "./versions.ts";

/** Everything a record of the log has but its position and time. */
export type PendingEntry = Omit<OplogEntry, "position" | "wallMs">;

/** A record before a pending write: without a version, it was not there. */
export interface Change {
  readonly namespace: Namespace;
  readonly key: string;
  readonly slot: Slot;
  readonly before: DocumentVersion | undefined;
  readonly sizeBefore: number;
}

/** What a transaction did so far. */
export interface Pending {
  readonly changes: Change[];
  readonly requested: PendingEntry[];
}
