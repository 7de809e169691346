// Work that becomes due with time: expiries, scheduled snapshots, computes that suspend. In the order of their instants,
// however far the clock has jumped.
import { setTimeout as sleep } from "node:timers/promises";
import { removeBranch } from "./branches.ts";
import { sleepEndpoint, suspendAfterSeconds } from "./computes.ts";
import type { Emulator } from "./emulator.ts";
import { nextDue, takeScheduled } from "./schedules.ts";
import { removeSnapshot } from "./snapshots.ts";
import { childrenOf, type NeonProject } from "./state.ts";

const RECOVERABLE_MS = 7 * 24 * 3600 * 1000;

/** How often the end of a mutation is checked. */
const BUSY_MS = 5;

interface Due {
  readonly at: Date;
  run(): Promise<void>;
}

/** Does all due work of every project, as soon as no mutation is running there. */
export async function runDue(emulator: Emulator): Promise<void> {
  const now = emulator.time.now();
  for (const project of [...emulator.store.projects.values()]) {
    while (project.busy) await sleep(BUSY_MS);
    project.busy = true;
    try {
      if (project.deletedAt !== undefined) await purge(emulator, project, now);
      else await catchUp(emulator, project, now);
    } finally {
      project.busy = false;
    }
  }
}

async function catchUp(emulator: Emulator, project: NeonProject, now: Date): Promise<void> {
  for (;;) {
    const next = earliestDue(emulator, project);
    if (next === undefined || next.at > now) break;
    await next.run();
  }
  for (const endpoint of project.endpoints.values()) {
    const after = suspendAfterSeconds(endpoint);
    if (endpoint.state !== "active" || after < 0) continue;
    if (endpoint.proxy.connections > 0) endpoint.lastActive = now;
    else if (now.getTime() - endpoint.lastActive.getTime() >= after * 1000) await sleepEndpoint(emulator, project, endpoint);
  }
}

function earliestDue(emulator: Emulator, project: NeonProject): Due | undefined {
  let first: Due | undefined;
  const consider = (at: Date | undefined, run: () => Promise<void>): void => {
    if (at !== undefined && (first === undefined || at < first.at)) first = { at, run };
  };
  for (const branch of project.branches.values()) {
    const kept = branch.default || branch.protected || childrenOf(project, branch).length > 0;
    if (!kept) consider(branch.expiresAt, () => removeBranch(emulator, project, branch));
    for (const item of branch.schedule) {
      const at = nextDue(item, branch.scheduledUpTo);
      consider(at, async () => {
        const together = branch.schedule.filter((each) => nextDue(each, branch.scheduledUpTo).getTime() === at.getTime());
        branch.scheduledUpTo = at;
        for (const each of together) await takeScheduled(emulator, project, branch, each, at);
      });
    }
  }
  for (const snapshot of project.snapshots.values()) consider(snapshot.expiresAt, () => removeSnapshot(emulator, project, snapshot));
  return first;
}

async function purge(emulator: Emulator, project: NeonProject, now: Date): Promise<void> {
  if (project.deletedAt === undefined || now.getTime() - project.deletedAt.getTime() < RECOVERABLE_MS) return;
  emulator.store.projects.delete(project.id);
  for (const branch of [...project.branches.values()]) await removeBranch(emulator, project, branch);
}
