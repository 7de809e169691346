// Rotating the writer key: from now on a new key signs. What the old one has signed counts as long as the configuration
// trusts it; when it may be in other hands, all that this machine knows is signed anew, and the old key can be distrusted.
import { isLifeboatError } from "../../core/errors.ts";
import { resignCheckpoint } from "../../repository/audit-log.ts";
import { type Resigned, resign } from "../../repository/resign.ts";
import { trustOf, type Writer } from "../../repository/trust.ts";
import type { Context, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";

/** Signs everything anew with the key. The journal of this very job is signed with it from the beginning. */
export async function resignRepository(context: Context, writer: Writer, watch: Watch): Promise<Resigned> {
  const { repository } = context;
  const renewed = { ...repository, trust: trustOf(repository.trust.keys, writer) };
  // The trail signs with the old key: what the log has of this job is signed anew at its end.
  await context.audit?.record({ event: "begin", operation: "rotate", actor: watch.actor });
  return runJob(
    { ...context, repository: renewed, audit: undefined },
    { verb: "rotate", source: "repository", exclusive: true },
    watch,
    async (job) => {
      const signed = await job.step("sign", () => resign(renewed, writer, job.signal, () => watch.progress.advance(1)));
      await context.audit?.record({ event: "end", operation: "rotate", job: job.id, actor: watch.actor, outcome: "done" });
      await resignCheckpoint(renewed).catch((error: unknown) => {
        if (!isLifeboatError(error, "AUDIT_INVALID")) throw error;
        watch.progress.note(`the audit log was not signed anew: ${error.message}`);
      });
      return signed;
    },
    ({ count, unknown }) => ({ signed: count, unknown: unknown.length }),
  );
}
