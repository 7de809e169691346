// Restores within Atlas, as the operations ask for them.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Branch, BranchRequest, HistoryControl, HistoryTarget } from "../../../ports/control.ts";
import type { Resource } from "../../../ports/resource.ts";
import { connectionOf, requireLogin, untilReachable } from "../access.ts";
import { type Account, isSource, requireReplicaSet, sourceCluster } from "../account.ts";
import type { AtlasCluster } from "../api/types.ts";
import { DISTINCT_LENGTH, inTheWayOf, jobOfScratch, scratchName, TAG } from "../resource.ts";
import { requireFreeName, specOf, withNewCluster } from "../scratch-cluster.ts";
import { fromSnapshot } from "../snapshots.ts";
import { deleteUntilGone } from "../states.ts";
import { INTERRUPTION, productionAfter, restoreInPlace, restoreOver, whyNotInPlace } from "./in-place.ts";
import { restoreOnto } from "./restore.ts";
import { restoreTables } from "./tables.ts";
import { originOf, windowFor } from "./target.ts";

export function historyControl(account: Account): HistoryControl {
  const { api } = account;
  return {
    place: "cluster",
    copiesData: true,
    cost: "Atlas bills the cluster by the hour, with the tier and disk of its source, until it is removed",
    recorded: { branch: { least: 12 * 60, most: 35 * 60 }, over: { least: 4 * 60, most: 10 * 60 } },
    precisionMs: 1000,
    positions: true,
    interruption: INTERRUPTION,
    scratchName,
    distinctLength: DISTINCT_LENGTH,
    inTheWayOf: async (name, work) => inTheWayOf(await api.clusters(work), name),
    async window(work) {
      return await windowFor(account, await sourceCluster(account, work), work);
    },
    obstacles: ({ target, inPlace }, work) => obstacles(account, target, inPlace, work),
    branch: (request) => branchAt(account, request),
    inPlace: ({ target, keepAs, ...work }) => restoreInPlace(account, target, keepAs, work),
    productionAfter: (since, work) => productionAfter(account, since, work),
    over: ({ name, target, ...work }) => restoreOver(account, name, target, work),
    tables: (request) => restoreTables(account, request),
    async find(nameOrId, work) {
      const clusters = await api.clusters(work);
      const cluster = clusters.find(({ id }) => id === nameOrId) ?? clusters.find(({ name }) => name === nameOrId);
      if (cluster !== undefined) {
        const { id, name, createdAt = new Date(0) } = cluster;
        return { id, name, createdAt, production: isSource(account, cluster) };
      }
      const source = clusters.find((one) => isSource(account, one));
      if (source === undefined || source.kind !== "dedicated") return undefined;
      const snapshot = (await api.snapshots(source, work)).find(
        ({ onDemand, description, status, id }) => onDemand && status !== "failed" && (description === nameOrId || id === nameOrId),
      );
      if (snapshot === undefined) return undefined;
      const { id, name, createdAt } = fromSnapshot(snapshot, undefined);
      return { id, name, createdAt, production: false, form: "snapshot" };
    },
    async connection(id, work) {
      const cluster = (await api.clusters(work)).find((one) => one.id === id);
      if (cluster === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `the project has no cluster ${id}`);
      return connectionOf(account, cluster);
    },
    async remove(id, work) {
      const cluster = (await api.clusters(work)).find((one) => one.id === id);
      if (cluster === undefined) return;
      const why = isSource(account, cluster)
        ? "it is production"
        : cluster.tags[TAG] === undefined
          ? "Lifeboat has not made it"
          : cluster.terminationProtection
            ? "it is protected from termination"
            : undefined;
      if (why !== undefined) throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${cluster.name} cannot be removed: ${why}`);
      await deleteUntilGone(account, cluster, work);
    },
  };
}

const OBSTACLES: ReadonlySet<string> = new Set([
  "RECOVERY_TARGET_OUTSIDE_WINDOW",
  "BRANCH_UNKNOWN",
  "USAGE",
  "CAPABILITY_MISSING",
  "PROVIDER_REFUSED",
  "PROVIDER_LIMIT",
  "SECRET_MISSING",
  "SOURCE_AUTH",
]);

async function obstacles(account: Account, target: HistoryTarget, inPlace: boolean, work?: Work): Promise<string[]> {
  const source = await sourceCluster(account, work);
  const found: string[] = [];
  const attempt = async (look: () => unknown): Promise<void> => {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof LifeboatError) || !OBSTACLES.has(error.code)) throw error;
      found.push(error.message);
    }
  };
  const why = inPlace ? whyNotInPlace(source, target) : undefined;
  if (why !== undefined) found.push(why);
  await attempt(() => requireReplicaSet(source, "restore it as a whole"));
  await attempt(() => originOf(account, source, target, work));
  await attempt(() => requireLogin(account, source, work));
  if (!inPlace) await attempt(() => specOf(account, { like: source }));
  return found;
}

/** Refuses before it declares; what was made is deleted when a later step fails. */
export async function branchAt(account: Account, request: BranchRequest): Promise<Branch & { readonly resource: Resource }> {
  const { name, target, maker, declare, withdraw, signal, progress } = request;
  const work = { signal, progress };
  const source = await sourceCluster(account, work);
  requireReplicaSet(source, "restore it to another cluster");
  await requireFreeName(account, name, work);
  const origin = await originOf(account, source, target, work);
  await requireLogin(account, source, work);
  return await withNewCluster(account, { name, maker, like: source, declare, withdraw, ...work }, async ({ resource }) => {
    const restored = await restoreOnto(account, source, origin, name, work);
    const connection = connectionOf(account, restored);
    await untilReachable(account, connection, work);
    return { id: restored.id, name, connection, warnings: [...origin.remarks, ...warningsFor(source, restored)], resource };
  });
}

function warningsFor(source: AtlasCluster, made: AtlasCluster): string[] {
  const warnings: string[] = [];
  if (jobOfScratch(made.name) === undefined) {
    warnings.push(`${made.name} has no backups of its own: turn them on in Atlas before it serves production`);
    warnings.push(`${made.name} is billed for as long as it exists: delete it in Atlas when it is no longer used`);
  }
  if (made.tier !== source.tier) warnings.push(`${made.name} is of size ${made.tier}, and ${source.name} is ${source.tier}`);
  return warnings;
}
