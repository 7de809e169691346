// Whether what is made can be removed again: at Atlas, making a cluster takes one role and deleting it a higher one.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { makeId } from "../../core/ids.ts";
import type { Work } from "../../ports/connection.ts";
import type { Account } from "./account.ts";
import type { AtlasCluster } from "./api/types.ts";
import { scratchName } from "./resource.ts";
import { ROLES } from "./states.ts";

/**
 * PROVIDER_AUTH when a scratch cluster would stay, and be billed, because we may not delete it. Nothing is changed: who may read the
 * compliance policy has the role; for other keys the deletion of a cluster that cannot exist tells, since its name is made up here.
 */
export async function requireMayDelete({ api, clock }: Account, kind: AtlasCluster["kind"], work?: Work): Promise<void> {
  if ((await api.compliance(work)) !== "unknown") return;
  const unknown = scratchName({ jobId: makeId(clock.now(), clock.randomBytes(8)) });
  try {
    await api.deleteCluster({ name: unknown, kind }, work);
  } catch (error) {
    if (!isLifeboatError(error, "PROVIDER_AUTH")) throw error;
    throw new LifeboatError("PROVIDER_AUTH", "these credentials may not delete clusters, so a scratch cluster would stay and be billed", {
      cause: error,
      hint: `${ROLES}: give both to these credentials, or set scratch.url of the source to your own server`,
      details: error.details,
    });
  }
}
