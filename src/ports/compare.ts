// What a comparison of two fingerprints is told.
import type { Omission } from "../core/fingerprint.ts";

export interface CompareOptions {
  readonly tables?: readonly string[] | undefined;
  /** As for the load: missing chosen tables do not make the comparison inconclusive. */
  readonly logFollows?: boolean | undefined;
  readonly dataOnly?: boolean | undefined;
  readonly ignoreOwners?: boolean | undefined;
  /** Objects left out of the copy on purpose, which are not differences. */
  readonly leftOut?: readonly Omission[] | undefined;
  /** `LoadResult.held`: the copy was just loaded, and suspended changes are not differences. */
  readonly held?: object | undefined;
  /** The copy came from the log, not from a dump: PostgreSQL logs sequences ahead, so they may continue up to 32 values later. */
  readonly replayed?: boolean | undefined;
}
