// Calls about Neon's own snapshots.
import type { Work } from "../../../ports/connection.ts";
import type { NeonApi } from "./api.ts";
import { toSeconds } from "./branches.ts";
import { need, readBranch, readSnapshot } from "./read.ts";
import { orGone, type Session } from "./session.ts";
import type { NeonBranch, NeonSnapshot } from "./types.ts";

type SnapshotCalls = Pick<NeonApi, "snapshots" | "createSnapshot" | "deleteSnapshot" | "restoreSnapshot" | "restoreSnapshotInPlace">;

export function snapshotCalls({ project, ask, change, make }: Session): SnapshotCalls {
  const inProject = { project_id: project };
  const onSnapshot = (id: string) => ({ project_id: project, snapshot_id: id });

  const snapshots = (work?: Work): Promise<NeonSnapshot[]> =>
    ask(
      {
        doing: `list the snapshots of ${project}`,
        send: (raw, common) => raw.listSnapshots({ ...common, path: inProject }),
        read: (data) => need(data.snapshots, "snapshots").map(readSnapshot),
      },
      work,
    );

  /** A branch found by its name or id among all: for looks after a lost answer. */
  const branchWhere = (matches: (branch: NeonBranch) => boolean, work: Work | undefined): Promise<NeonBranch | undefined> =>
    ask(
      {
        doing: `list the branches of ${project}`,
        send: (raw, common) => raw.listProjectBranches({ ...common, path: inProject, query: { limit: 10_000 } }),
        read: (data) =>
          need(data.branches, "branches")
            .map((branch) => readBranch(branch))
            .find(matches),
      },
      work,
    );

  return {
    snapshots,
    createSnapshot: (branchId, { name, expiresAt }, work) =>
      make(
        {
          doing: `create the snapshot ${name}`,
          // Only the query counts: a body would be ignored without a word.
          send: (raw, common) =>
            raw.createSnapshot({
              ...common,
              path: { project_id: project, branch_id: branchId },
              query: { name, ...(expiresAt === undefined ? {} : { expires_at: toSeconds(expiresAt) }) },
            }),
          read: (data) => readSnapshot(need(data.snapshot, "snapshot")),
          look: async () => (await snapshots(work)).find((snapshot) => snapshot.name === name),
        },
        work,
      ),
    async deleteSnapshot(id, work) {
      await orGone(
        change(
          { doing: `delete the snapshot ${id}`, send: (raw, common) => raw.deleteSnapshot({ ...common, path: onSnapshot(id) }) },
          work,
        ),
      );
    },
    restoreSnapshot: (id, { name, targetId }, work) =>
      make(
        {
          doing: `restore the snapshot ${id} as the branch ${name}`,
          send: (raw, common) =>
            raw.restoreSnapshot({ ...common, path: onSnapshot(id), body: { name, target_branch_id: targetId, finalize_restore: false } }),
          read: (data) => readBranch(need(data.branch, "branch")),
          look: () => branchWhere((branch) => branch.name === name, work),
        },
        work,
      ),
    async restoreSnapshotInPlace(id, { target }, work) {
      await make(
        {
          doing: `restore the snapshot ${id} in place of ${target.name}`,
          send: (raw, common) =>
            raw.restoreSnapshot({ ...common, path: onSnapshot(id), body: { target_branch_id: target.id, finalize_restore: true } }),
          read: () => true,
          // Once it has happened, another branch has the target's name.
          look: async () =>
            (await branchWhere((branch) => branch.name === target.name && branch.id !== target.id, work)) === undefined ? undefined : true,
        },
        work,
      );
    },
  };
}
