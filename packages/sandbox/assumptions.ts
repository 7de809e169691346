// What the emulators assume of the real services, as one table: `lifeboat sandbox --assumptions` prints it, and docs/sandbox.md holds it.
import { ASSUMPTIONS as ATLAS } from "./atlas/assumptions.ts";
import { ASSUMPTIONS as MONGODB } from "./mongo/assumptions.ts";
import { ASSUMPTIONS as NEON } from "./neon/assumptions.ts";

export interface Assumption {
  /** The emulator that it belongs to. */
  readonly of: "neon" | "atlas" | "mongodb";
  readonly about: string;
  /** What the emulator does. */
  readonly here: string;
  /** What is known of the real service. */
  readonly because: string;
}

const label = (of: Assumption["of"], table: readonly Omit<Assumption, "of">[]): Assumption[] => table.map((row) => ({ of, ...row }));

export const ASSUMPTIONS: readonly Assumption[] = [...label("neon", NEON), ...label("atlas", ATLAS), ...label("mongodb", MONGODB)];
