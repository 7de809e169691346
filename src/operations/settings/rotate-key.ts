// Rotating the writer key: from now on a new key signs. What the old one has signed counts as long as the configuration
// trusts it; when it may be in other hands, all that this machine knows is signed anew, and the old key can be distrusted.
import { type Resigned, resign } from "../../repository/resign.ts";
import { trustOf, type Writer } from "../../repository/trust.ts";
import type { Context, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";

/** Signs everything anew with the key. The journal of this very job is signed with it from the beginning. */
export async function resignRepository(context: Context, writer: Writer, watch: Watch): Promise<Resigned> {
  const { repository } = context;
  const renewed = { ...repository, trust: trustOf(repository.trust.keys, writer) };
  return runJob(
    { ...context, repository: renewed },
    { verb: "rotate", source: "repository", exclusive: true },
    watch,
    (job) => job.step("sign", () => resign(renewed, writer, job.signal, () => watch.progress.advance(1))),
    ({ count, unknown }) => ({ signed: count, unknown: unknown.length }),
  );
}
