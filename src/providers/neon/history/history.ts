// Restores within Neon, as the operations ask for them.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { HistoryControl, HistoryTarget } from "../../../ports/control.ts";
import { type Account, isProduction, lookAround } from "../account.ts";
import { scratchName } from "../resource.ts";
import { missingRoom } from "../room.ts";
import { windowOf } from "../settings/window.ts";
import { removeBranch } from "../snapshots.ts";
import { branchAt, roomNeeded } from "./branch.ts";
import { restoreInPlace, whyNotInPlace } from "./in-place.ts";
import { promote } from "./promote.ts";
import { originOf } from "./target.ts";

export function historyControl(account: Account): HistoryControl {
  const { api, clock } = account;
  return {
    place: "branch",
    cost: "the project's plan counts the branch's compute time and the data that comes to differ from its parent",
    positions: true,
    scratchName: (maker) => scratchName(account, maker),
    async window(work) {
      const [project, { production }] = await Promise.all([api.project(work), lookAround(account, work)]);
      return windowOf(project, production, clock.now());
    },
    obstacles: ({ target, inPlace }, work) => obstacles(account, target, inPlace, work),
    branch: (request) => branchAt(account, request),
    inPlace: ({ target, keepAs, ...work }) => restoreInPlace(account, target, keepAs, work),
    promote: ({ branch, name, keepAs, ...work }) => promote(account, { branch, name, keepAs }, work),
    async find(nameOrId, work) {
      const branches = await api.branches(work);
      const branch = branches.find(({ id }) => id === nameOrId) ?? branches.find(({ name }) => name === nameOrId);
      if (branch === undefined) return undefined;
      return { id: branch.id, name: branch.name, production: isProduction(account, branch), createdAt: branch.createdAt };
    },
    async remove(id, work) {
      const branch = (await api.branches(work)).find((candidate) => candidate.id === id);
      if (branch !== undefined) await removeBranch(account, branch, work);
    },
  };
}

const OBSTACLES: ReadonlySet<string> = new Set(["RECOVERY_TARGET_OUTSIDE_WINDOW", "BRANCH_UNKNOWN", "USAGE"]);

async function obstacles(account: Account, target: HistoryTarget, inPlace: boolean, work?: Work): Promise<string[]> {
  const scene = await lookAround(account, work);
  const found: string[] = [];
  const why = inPlace ? whyNotInPlace(scene.production, target) : undefined;
  if (why !== undefined) found.push(why);
  try {
    const origin = await originOf(account, scene, target, work);
    const needed = inPlace ? (["branches", "root branches"] as const) : roomNeeded(origin);
    found.push(...(await missingRoom(account, needed, work)).map(({ why }) => `there is no room: ${why}`));
  } catch (error) {
    if (!(error instanceof LifeboatError) || !OBSTACLES.has(error.code)) throw error;
    found.push(error.message);
  }
  return found;
}
