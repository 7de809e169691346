// The provider of sources at Neon: settings, points and restores by its management API, data by a direct connection.
import { scratchPlace } from "../../engines/postgres/scratch/scratch.ts";
import type { Work } from "../../ports/connection.ts";
import type { Provider } from "../../ports/provider.ts";
import { connectionTo } from "./access.ts";
import { type Account, projectBranches } from "./account.ts";
import { openNeonApi } from "./api/client.ts";
import { historyControl } from "./history/history.ts";
import type { NeonOptions } from "./options.ts";
import { TIMEOUTS } from "./options.ts";
import { BRANCH_KIND, undoBranch } from "./resource.ts";
import { settingsControl } from "./settings/settings.ts";
import { snapshotControl } from "./snapshots.ts";

/** CONFIG_INVALID when project, key or an address cannot be right. Asks nothing of Neon yet. */
export function createNeonProvider(options: NeonOptions): Provider {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const account: Account = { options, api: openNeonApi({ ...options, timeouts }), clock: options.clock, timeouts };
  const connection = async (work?: Work) => {
    const { production } = await projectBranches(account, work);
    return await connectionTo(account, production, { mayAddCompute: false }, work);
  };
  // A backup of a Neon source is a dump like any other: it drills on this machine, and Neon need not even be there.
  const scratch = scratchPlace(options, connection);
  return {
    name: "neon",
    capabilities: { scratch: true, physical: false },
    connection,
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    settings: settingsControl(account),
    snapshots: snapshotControl(account),
    history: historyControl(account),
    undo: async (resource, maker, work) =>
      resource.kind === BRANCH_KIND
        ? await undoBranch(account, resource.locator, maker, work)
        : ((await scratch.undo(resource, maker, work)) ?? "elsewhere"),
  };
}
