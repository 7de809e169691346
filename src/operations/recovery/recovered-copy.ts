// A copy of the past that exists for as long as a load reads from it: a scratch cluster that the log was replayed into, or a scratch
// branch or cluster at the provider. What is in it goes on into the place that was asked for, as a backup does.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LifeboatError } from "../../core/errors.ts";
import { dateOfMicros } from "../../core/micros.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import { fillSpool, type SpoolPlace } from "../../repository/spool.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { inScratchBranch } from "../points/look.ts";
import { databaseOf, replay } from "./cluster.ts";
import type { RecoveryCourse } from "./course.ts";
import { expectedOf, type PastTarget } from "./history.ts";
import { advancing, type Filled, type Supply } from "./load.ts";

/** Base backup and log, replayed into a scratch cluster on this machine. */
export const clusterSupply = (context: Context, source: Source, course: RecoveryCourse, watch: Watch): Supply => ({
  at: dateOfMicros(course.at),
  async fill(spool, job) {
    const place = { directory: scratchDirectory(context, job), throwAway: true, read: false };
    const { recovered, checks } = await replay(context, source, course, place, job, watch);
    const remove = async (): Promise<void> => {
      await job.cleanUp(() => recovered.remove());
      await job.withdraw(recovered.resource);
    };
    try {
      const database = await databaseOf(source, job.signal);
      if (!recovered.databases.includes(database)) {
        const there = recovered.databases.join(", ");
        throw new LifeboatError("RESTORE_TARGET_INVALID", `at ${course.wanted} the server had no database ${database}; it had ${there}`);
      }
      return await copyOut(source, recovered.connection(database), checks, spool, job, watch);
    } finally {
      await remove();
    }
  },
});

/** The provider's history, as a scratch branch or cluster of its own. */
export const providerSupply = (context: Context, source: Source, past: PastTarget, watch: Watch): Supply => ({
  at: past.at,
  async fill(spool, job) {
    return inScratchBranch(context, source, job, past.target, watch, async ({ connection }) => {
      const filled = await copyOut(source, connection, [], spool, job, watch);
      const recorded = await expectedOf(context, past, watch);
      const compared = recorded === undefined ? [] : source.engine.compare(recorded, filled.expected, { replayed: true });
      return { ...filled, checks: compared };
    });
  },
});

export const scratchDirectory = (context: Context, job: Job): string =>
  join(resolve(context.spoolDirectory ?? tmpdir()), `lifeboat-${job.id}-${randomBytes(3).toString("hex")}`);

/** Bytes and fingerprint come from one snapshot of the copy, as those of a backup do. */
async function copyOut(
  source: Source,
  connection: Connection,
  checks: readonly Check[],
  spool: SpoolPlace,
  job: Job,
  watch: Watch,
): Promise<Filled> {
  const work = { signal: job.signal, progress: watch.progress };
  return job.step("copy", async () => {
    const dump = await source.engine.beginDump(connection, { kind: "full", ...work });
    try {
      const fingerprinting = dump.fingerprint();
      fingerprinting.catch(() => undefined); // seen below; here only so that an early failure is no unhandled one
      const { sizeBytes } = dump.facts;
      for (const { name, bytes } of dump.parts) {
        if (name !== "data") throw new LifeboatError("BUG", `a dump has a part named ${name}, which a load does not know`);
        await fillSpool(spool, advancing(bytes, watch), sizeBytes);
      }
      const consistency = dump.consistency ?? "snapshot";
      return { sizeBytes, consistency, expected: await fingerprinting, checks, notIncluded: dump.notIncluded };
    } finally {
      await dump.end();
    }
  });
}
