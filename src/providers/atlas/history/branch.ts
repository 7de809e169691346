// A past instant as a cluster of its own, beside production.
import type { Branch, BranchRequest } from "../../../ports/control.ts";
import type { Resource } from "../../../ports/resource.ts";
import { awake, connectionOf, requireLogin } from "../access.ts";
import { type Account, requireReplicaSet, sourceCluster } from "../account.ts";
import type { AtlasCluster } from "../api/types.ts";
import { jobOfScratch } from "../resource.ts";
import { requireFreeName, withNewCluster } from "../scratch-cluster.ts";
import { restoreOnto } from "./restore.ts";
import { originOf } from "./target.ts";

/** Everything that can be refused is refused before it is declared; what was made is gone again when a later step fails. */
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
    await awake(account, connection, work);
    return { id: restored.id, name, connection, warnings: [...origin.remarks, ...warningsFor(source, restored)], resource };
  });
}

function warningsFor(source: AtlasCluster, made: AtlasCluster): string[] {
  const warnings: string[] = [];
  if (jobOfScratch(made.name) === undefined) {
    warnings.push(`${made.name} has no backups of its own: turn them on in Atlas before it serves production`);
    warnings.push(`${made.name} is billed for as long as it exists: delete it in Atlas when it is not needed any more`);
  }
  if (made.tier !== source.tier) warnings.push(`${made.name} is of size ${made.tier}, and ${source.name} is ${source.tier}`);
  return warnings;
}
