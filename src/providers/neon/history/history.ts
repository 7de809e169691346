// Restores within Neon, as the operations ask for them.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { HistoryControl, HistoryTarget } from "../../../ports/control.ts";
import { type Ground, isProduction, lookAround } from "../ground.ts";
import { scratchName } from "../resource.ts";
import { missingRoom } from "../room.ts";
import { windowOf } from "../settings/window.ts";
import { removeBranch } from "../snapshots.ts";
import { branchAt, roomNeeded } from "./branch.ts";
import { restoreInPlace, whyNotInPlace } from "./in-place.ts";
import { promote } from "./promote.ts";
import { originOf } from "./target.ts";

export function historyControl(ground: Ground): HistoryControl {
  const { api, clock } = ground;
  return {
    place: "branch",
    positions: true,
    scratchName: (maker) => scratchName(ground, maker),
    async window(work) {
      const [project, { production }] = await Promise.all([api.project(work), lookAround(ground, work)]);
      return windowOf(project, production, clock.now());
    },
    obstacles: ({ target, inPlace }, work) => obstacles(ground, target, inPlace, work),
    branch: (request) => branchAt(ground, request),
    inPlace: ({ target, keepAs, ...work }) => restoreInPlace(ground, target, keepAs, work),
    promote: ({ branch, name, keepAs, ...work }) => promote(ground, { branch, name, keepAs }, work),
    async find(nameOrId, work) {
      const branches = await api.branches(work);
      const branch = branches.find(({ id }) => id === nameOrId) ?? branches.find(({ name }) => name === nameOrId);
      if (branch === undefined) return undefined;
      return { id: branch.id, name: branch.name, production: isProduction(ground, branch), createdAt: branch.createdAt };
    },
    async remove(id, work) {
      const branch = (await api.branches(work)).find((candidate) => candidate.id === id);
      if (branch !== undefined) await removeBranch(ground, branch, work);
    },
  };
}

const OBSTACLES: ReadonlySet<string> = new Set(["RECOVERY_TARGET_OUTSIDE_WINDOW", "BRANCH_UNKNOWN", "USAGE"]);

async function obstacles(ground: Ground, target: HistoryTarget, inPlace: boolean, work?: Work): Promise<string[]> {
  const scene = await lookAround(ground, work);
  const found: string[] = [];
  const why = inPlace ? whyNotInPlace(scene.production, target) : undefined;
  if (why !== undefined) found.push(why);
  try {
    const origin = await originOf(ground, scene, target, work);
    const needed = inPlace ? (["branches", "root branches"] as const) : roomNeeded(origin);
    found.push(...(await missingRoom(ground, needed, work)).map(({ why }) => `there is no room: ${why}`));
  } catch (error) {
    if (!(error instanceof LifeboatError) || !OBSTACLES.has(error.code)) throw error;
    found.push(error.message);
  }
  return found;
}
