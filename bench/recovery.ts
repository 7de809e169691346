// A whole cluster brought back beside pgBackRest's restore of the same cluster, with two processes for it. Both leave files that
// are flushed to the disk. Ours also replays the log, promotes the server, shuts it down in peace, and then reads every table.
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compare, type Measured } from "./measure.ts";

export interface RecoveryBench {
  /** The program with its configuration; a base backup is in its repository. */
  readonly ours: string;
  /** pgBackRest with its configuration, by compression; a full backup is in its repository. */
  readonly theirs: Readonly<Record<string, string>>;
  /** Where to restore to. */
  readonly folder: string;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly rounds: number;
  readonly env: Readonly<Record<string, string>>;
}

export interface RecoveryRuns {
  readonly runs: Readonly<Record<string, Measured>>;
  /** Seconds of our steps. */
  readonly steps: Readonly<Record<string, number>>;
}

export const OUR_RESTORE = "lifeboat restore --into DIRECTORY";

export async function benchRecovery({ ours, theirs, folder, owner, rounds, env }: RecoveryBench): Promise<RecoveryRuns> {
  const place = join(folder, "restored");
  const theirPlace = join(folder, "restored-theirs");
  const clear = async (): Promise<void> => {
    for (const path of [place, theirPlace]) rmSync(path, { recursive: true, force: true });
    mkdirSync(theirPlace, { mode: 0o700 });
    if (owner) chownSync(theirPlace, owner.uid, owner.gid);
  };
  const lines: Record<string, string> = { [OUR_RESTORE]: `cd / && ${ours} restore shop --into ${place} --json` };
  for (const [compression, call] of Object.entries(theirs)) {
    lines[`pgbackrest restore, process-max 2, ${compression}`] = `${call} --pg1-path=${theirPlace} --type=none restore`;
  }
  const runs = await compare(lines, rounds, env, clear);
  await clear();
  rmSync(theirPlace, { recursive: true });
  const { steps } = JSON.parse(runs[OUR_RESTORE]?.stdout ?? "{}") as { steps: { name: string; ms: number }[] };
  return { runs, steps: Object.fromEntries(steps.map(({ name, ms }) => [name, ms / 1000])) };
}
