// Accept: somebody says that a restore or promotion is good. Only from then on does what it replaced grow old.
import { LifeboatError } from "../core/errors.ts";
import { thisOwner } from "../repository/owner.ts";
import { changeSnapshotRecord, listSnapshotRecords, type SnapshotRecord } from "../repository/snapshots.ts";
import { runJob } from "./job.ts";
import type { Watch, Workshop } from "./workshop.ts";

/** How long what a restore replaced is kept after it was accepted (R8). */
export const KEEP_ACCEPTED_MS = 7 * 86_400_000;

export interface Accepted {
  readonly job: string;
  readonly source: string;
  readonly kept: { readonly id: string; readonly name: string };
  readonly acceptedAt: Date;
  readonly expiresAt: Date;
}

/** Accepts what the job did, by its id or the beginning of it. Doing it twice changes nothing. JOB_UNKNOWN, POINT_AMBIGUOUS. */
export async function accept(workshop: Workshop, wanted: string, watch: Watch): Promise<Accepted> {
  const record = await findKept(workshop, wanted, watch);
  const { source, id, name, kept } = record;
  const job = kept?.job ?? wanted;
  const acceptedAt = kept?.acceptedAt === undefined ? workshop.clock.now() : new Date(kept.acceptedAt);
  const expiresAt = new Date(acceptedAt.getTime() + KEEP_ACCEPTED_MS);
  if (kept?.acceptedAt === undefined) {
    await runJob(
      workshop,
      { verb: "accept", source },
      watch,
      (run) =>
        run.step("mark", () =>
          changeSnapshotRecord(workshop.repository, source, id, {
            kept: { job, acceptedAt: acceptedAt.toISOString() },
            expiresAt: expiresAt.toISOString(),
            note: `accepted by ${thisOwner().user}@${thisOwner().host}`,
          }),
        ),
      () => ({ accepted: job, kept: name }),
    );
  }
  return { job, source, kept: { id, name }, acceptedAt, expiresAt };
}

async function findKept(workshop: Workshop, wanted: string, watch: Watch): Promise<SnapshotRecord> {
  const all: SnapshotRecord[] = [];
  for (const source of workshop.sources.keys()) {
    const records = await listSnapshotRecords(workshop.repository, source, watch.signal);
    all.push(...[...records.values()].filter(({ kept }) => kept !== undefined));
  }
  const found = all.filter(({ kept }) => kept?.job.startsWith(wanted.toLowerCase()));
  const [record, ...others] = found;
  if (record === undefined || wanted === "") {
    const waiting = all.filter(({ kept }) => kept?.acceptedAt === undefined).map(({ kept }) => kept?.job);
    const there = waiting.length === 0 ? "no job waits to be accepted" : `these wait to be accepted: ${waiting.join(", ")}`;
    throw new LifeboatError("JOB_UNKNOWN", `no restore or promotion that replaced anything is called ${wanted} (${there})`);
  }
  if (others.length > 0) throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} jobs begin with ${wanted}`);
  return record;
}
