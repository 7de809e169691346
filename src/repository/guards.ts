// The state of a guarded change of a source: which point was taken, and how far it came. One signed object a source, so that a guard whose
// process died, on this machine or another, is continued or rolled back by the next one.
import * as z from "zod/mini";
import { format, id, instant, lsn, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { guardName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned } from "./signed.ts";

export const GUARD_STAGES = ["command", "checks", "failed", "rollback", "ended"] as const;

export interface GuardRecord {
  readonly format: 1;
  readonly source: string;
  readonly feature: string;
  readonly job: string;
  readonly startedAt: string;
  /** `command`: it runs, or its process died meanwhile. `checks`: it succeeded. `failed`: production is as it left it. `ended`: nothing is left to do. */
  readonly stage: (typeof GUARD_STAGES)[number];
  /** A failure is rolled back without asking. */
  readonly rollback: boolean;
  readonly point: { readonly id: string; readonly name: string };
  /** The position in the source's log right before the command. Absent: the log has no archive. */
  readonly position?: string | undefined;
  /** When the command began. */
  readonly commandAt?: string | undefined;
}

const schema: Schema<GuardRecord> = z.looseObject({
  format,
  source: segment,
  feature: prose,
  job: id,
  startedAt: instant,
  stage: z.enum(GUARD_STAGES),
  rollback: z.boolean(),
  point: z.looseObject({ id: word, name: word }),
  position: maybe(lsn),
  commandAt: maybe(instant),
});

/** Undefined: none was ever begun, or no trusted key signed it. */
export async function readGuard(repository: Repository, source: string, signal?: AbortSignal): Promise<GuardRecord | undefined> {
  const found = await getSigned(repository, "guard", guardName(source), schema, signal);
  return found?.signedBy === undefined || found.value.source !== source ? undefined : found.value;
}

export async function writeGuard(repository: Repository, record: GuardRecord): Promise<void> {
  await changeSigned(repository, "guard", guardName(record.source), schema, () => record);
}
