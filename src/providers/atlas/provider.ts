// The provider of sources at MongoDB Atlas: settings, points and restores by its Administration API, data by a direct connection.
import { LifeboatError } from "../../core/errors.ts";
import type { Provider } from "../../ports/provider.ts";
import { connectionOf } from "./access.ts";
import { type Account, sourceCluster } from "./account.ts";
import { openAtlasApi } from "./api/client.ts";
import { historyControl } from "./history/history.ts";
import type { AtlasOptions } from "./options.ts";
import { TIMEOUTS } from "./options.ts";
import { CLUSTER_KIND, orphanedClusters, undoCluster } from "./resource.ts";
import { scratchPlace } from "./scratch.ts";
import { settingsControl } from "./settings/settings.ts";
import { snapshotControl } from "./snapshots.ts";

/** CONFIG_INVALID when project, cluster or an address cannot be right. Asks nothing of Atlas and reads no secret yet. */
export function createAtlasProvider(options: AtlasOptions): Provider {
  const { groupId, cluster, credentials: auth, apiHost, clock } = options;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9-]*$/.test(cluster)) {
    throw new LifeboatError("CONFIG_INVALID", `"${cluster}" is not the name of an Atlas cluster: letters, digits and dashes`);
  }
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const account: Account = {
    options,
    api: openAtlasApi({ groupId, auth, apiHost, timeouts, clock, secrets: () => [options.password?.known() ?? ""] }),
    clock,
    timeouts,
  };
  const scratch = scratchPlace(account);
  return {
    name: "atlas",
    capabilities: { scratch: true, physical: false },
    connection: async (work) => connectionOf(account, await sourceCluster(account, work)),
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    settings: settingsControl(account),
    snapshots: snapshotControl(account),
    history: historyControl(account),
    orphans: (makerOf, work) => orphanedClusters(account, makerOf, work),
    undo: async (resource, maker, work) =>
      resource.kind === CLUSTER_KIND
        ? await undoCluster(account, resource.locator, maker, work)
        : await scratch.undo(resource, maker, work),
  };
}
