// What a backup of chosen tables would hold, asked before there is one.
import type { Omission } from "../core/fingerprint.ts";

export interface Chosen {
  /** Qualified names of the tables or collections that the patterns match, with partitions. */
  readonly names: readonly string[];
  /** What comes with them because they need it or a pattern matches it, by kind. */
  readonly along: readonly { readonly kind: string; readonly number: number }[];
  readonly gaps: readonly Gap[];
}

/** What the chosen tables refer to and the backup does not hold. */
export interface Gap extends Omission {
  /** The table that closes the gap once it is chosen too. Absent: there is none. */
  readonly choose?: string | undefined;
  /** A restore may fail; otherwise it succeeds, and the object may be missed. */
  readonly mayFail: boolean;
}
