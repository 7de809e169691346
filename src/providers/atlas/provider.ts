// The provider of sources at MongoDB Atlas: settings, points and restores by its Administration API, data by a direct connection.
import { LifeboatError } from "../../core/errors.ts";
import type { Provider } from "../../ports/provider.ts";
import { connectionOf } from "./access.ts";
import { openAtlasApi } from "./api/client.ts";
import { PATIENCE } from "./api/patience.ts";
import { type Ground, sourceCluster } from "./ground.ts";
import { historyControl } from "./history/history.ts";
import type { AtlasOptions } from "./options.ts";
import { CLUSTER_KIND, strayClusters, undoCluster } from "./resource.ts";
import { scratchPlace } from "./scratch.ts";
import { settingsControl } from "./settings/settings.ts";
import { snapshotControl } from "./snapshots.ts";

/** CONFIG_INVALID when project, cluster, credentials or an address cannot be right. Asks nothing of Atlas yet. */
export function createAtlasProvider(options: AtlasOptions): Provider {
  const { groupId, cluster, credentials: auth, apiHost, clock } = options;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9-]*$/.test(cluster)) {
    throw new LifeboatError("CONFIG_INVALID", `"${cluster}" is no name of an Atlas cluster: letters, digits and dashes`);
  }
  const patience = { ...PATIENCE, ...options.patience };
  const ground: Ground = {
    options,
    api: openAtlasApi({ groupId, auth, apiHost, patience, clock, secrets: () => passwordOf(options) }),
    clock,
    patience,
  };
  const scratch = scratchPlace(ground);
  return {
    name: "atlas",
    capabilities: { scratch: true, physical: false },
    connection: async (work) => connectionOf(ground, await sourceCluster(ground, work)),
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    settings: settingsControl(ground),
    snapshots: snapshotControl(ground),
    history: historyControl(ground),
    strays: (makerOf, work) => strayClusters(ground, makerOf, work),
    undo: async (resource, maker, work) =>
      resource.kind === CLUSTER_KIND ? await undoCluster(ground, resource.locator, maker, work) : await scratch.undo(resource, maker, work),
  };
}

/** Of the database user. One that cannot be read here cannot be in a text either. */
function passwordOf(options: AtlasOptions): readonly string[] {
  try {
    return options.password === undefined ? [] : [options.password];
  } catch {
    return [];
  }
}
