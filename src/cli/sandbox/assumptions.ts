// What every sandbox assumes of the real services, as one table: the command prints it, and docs/sandbox.md holds it.
import { ASSUMPTIONS as ATLAS } from "../../../packages/sandbox/atlas/assumptions.ts";
import { ASSUMPTIONS as MONGODB } from "../../../packages/sandbox/mongo/assumptions.ts";
import { ASSUMPTIONS as NEON } from "../../../packages/sandbox/neon/assumptions.ts";

export interface SandboxAssumption {
  /** Which part of the sandbox it is of. */
  readonly of: "neon" | "atlas" | "mongodb";
  readonly about: string;
  readonly here: string;
  readonly because: string;
}

const tag = (of: SandboxAssumption["of"], table: readonly Omit<SandboxAssumption, "of">[]): SandboxAssumption[] =>
  table.map((row) => ({ of, ...row }));

export const SANDBOX_ASSUMPTIONS: readonly SandboxAssumption[] = [...tag("neon", NEON), ...tag("atlas", ATLAS), ...tag("mongodb", MONGODB)];
