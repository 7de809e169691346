// Waiting for clusters: until one is idle, and until one is deleted.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Account } from "./account.ts";
import { ENDPOINTS } from "./api/endpoints.ts";
import type { AtlasCluster } from "./api/types.ts";
import { failedWork, waitFor } from "./waiting.ts";

/** Waits until it is idle and can be reached. PROVIDER_FAILED when it is deleted meanwhile. */
export async function untilIdle(account: Account, name: string, what: string, work?: Work): Promise<AtlasCluster> {
  const cluster = await waitFor<AtlasCluster | undefined>(
    account,
    {
      what,
      limitMs: account.timeouts.clusterMs,
      ask: () => account.api.cluster(name, work),
      done(answer) {
        if (answer === undefined || answer.state === "DELETING") throw failedWork(`the cluster ${name} was deleted while ${what}`);
        return answer.state === "IDLE" && (answer.connectionStrings.standard ?? answer.connectionStrings.srv) !== undefined;
      },
      how: (answer) => (answer?.state === "REPAIRING" ? "Atlas repairs it" : undefined),
    },
    work,
  );
  if (cluster === undefined) throw failedWork(`the cluster ${name} is gone`);
  return cluster;
}

/** Begins the deletion and waits until Atlas knows nothing of it: only then does it cost nothing. */
export async function deleteUntilGone(account: Account, cluster: AtlasCluster, work?: Work): Promise<void> {
  const { name } = cluster;
  if (cluster.state !== "DELETING") {
    const ask = async (): Promise<true> => {
      await account.api.deleteCluster(cluster, work).catch((error: unknown) => {
        throw whenKept(error, account, name);
      });
      return true;
    };
    // One that Atlas is busy with, as with a restore, may not be deleted yet.
    await waitFor(
      account,
      { what: `the cluster ${name} is to be deleted`, limitMs: account.timeouts.deleteMs, ask, done: () => true },
      work,
    );
  }
  await waitFor<AtlasCluster | undefined>(
    account,
    {
      what: `the cluster ${name} is being deleted`,
      limitMs: account.timeouts.deleteMs,
      ask: () => account.api.cluster(name, work),
      // Another one of the same name, made since, is not ours to wait for.
      done: (answer) => answer === undefined || answer.id !== cluster.id,
    },
    work,
  );
}

export const ROLES = `scratch clusters need the roles "${ENDPOINTS.createCluster.role}" to be made and "${ENDPOINTS.deleteCluster.role}" to be deleted`;

/** A refused deletion of what we made: which cluster, what it means, and what to do. Other errors as they are. */
function whenKept(error: unknown, { options }: Account, name: string): unknown {
  if (!isLifeboatError(error, "PROVIDER_AUTH") && !isLifeboatError(error, "PROVIDER_REFUSED")) return error;
  const { message, code, details, hint } = error as LifeboatError;
  const role = code === "PROVIDER_AUTH" ? `${ROLES}; then run` : `${hint}; then run`;
  return new LifeboatError(code, `the cluster ${name} is still there, and is billed for as long as it exists: ${message}`, {
    cause: error,
    details: { ...details, cluster: name },
    hint: `${role} \`lifeboat jobs recover\`, or delete it by hand: \`atlas clusters delete ${name} --projectId ${options.groupId}\``,
  });
}
