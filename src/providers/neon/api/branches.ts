// Calls about branches and their schedules.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { NeonApi } from "./api.ts";
import { ANNOTATION, need, readBranch } from "./read.ts";
import { orGone, type Session } from "./session.ts";
import type { NeonBranch, NeonPoint, NeonScheduleItem } from "./types.ts";

const PAGE = 1000;
/** More pages than any project has. A part of a list must not pass for the whole. */
const MOST_PAGES = 1000;

type BranchCalls = Pick<
  NeonApi,
  | "branches"
  | "branch"
  | "createBranch"
  | "updateBranch"
  | "setDefault"
  | "deleteBranch"
  | "restoreBranch"
  | "finalizeRestore"
  | "schedule"
  | "setSchedule"
>;

/** Neon takes seconds here, and refuses fractions. */
export const toSeconds = (at: Date): string => at.toISOString().replace(/\.\d+Z$/, "Z");

export function branchCalls({ project, ask, change, make }: Session): BranchCalls {
  const inProject = { project_id: project };
  const onBranch = (id: string) => ({ project_id: project, branch_id: id });

  async function branches(work?: Work): Promise<NeonBranch[]> {
    const all: NeonBranch[] = [];
    let cursor: string | undefined;
    const seen = new Set<string>();
    do {
      const page = await ask(
        {
          doing: `list the branches of ${project}`,
          send: (raw, common) =>
            raw.listProjectBranches({ ...common, path: inProject, query: { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) } }),
          read: (data) => ({
            branches: need(data.branches, "branches").map((branch) => readBranch(branch, data.annotations?.[branch.id])),
            next: data.pagination?.next,
          }),
        },
        work,
      );
      all.push(...page.branches);
      // A cursor that stands still is the last one. One that comes back, or ever new ones, would be followed without end.
      cursor = page.next === cursor || page.branches.length === 0 ? undefined : page.next || undefined;
      if (cursor !== undefined && (seen.has(cursor) || seen.size >= MOST_PAGES)) {
        throw new LifeboatError("PROVIDER_FAILED", `Neon's answer has no end, when asked to list the branches of ${project}`);
      }
      if (cursor !== undefined) seen.add(cursor);
    } while (cursor !== undefined);
    return all;
  }

  const byName = async (name: string, work: Work | undefined): Promise<NeonBranch | undefined> =>
    (await branches(work)).find((branch) => branch.name === name);

  const branch = (id: string, work?: Work): Promise<NeonBranch | undefined> =>
    orGone(
      ask(
        {
          doing: `show the branch ${id}`,
          send: (raw, common) => raw.getProjectBranch({ ...common, path: onBranch(id) }),
          read: (data) => readBranch(need(data.branch, "branch"), data.annotation),
        },
        work,
      ),
    );

  return {
    branches,
    branch,
    async createBranch({ name, parentId, at, compute, expiresAt, mark }, work) {
      const spec = {
        name,
        parent_id: parentId,
        ...pointOf(at, "parent_timestamp", "parent_lsn"),
        ...(expiresAt === undefined ? {} : { expires_at: toSeconds(expiresAt) }),
      };
      const made = await make(
        {
          doing: `create the branch ${name}`,
          send: (raw, common) =>
            raw.createProjectBranch({
              ...common,
              path: inProject,
              body: {
                branch: spec,
                ...(compute ? { endpoints: [{ type: "read_write" as const }] } : {}),
                ...(mark === undefined ? {} : { annotation_value: { [ANNOTATION]: mark } }),
              },
            }),
          read: (data) => readBranch(need(data.branch, "branch")),
          look: () => byName(name, work),
        },
        work,
      );
      // Its beginning is only final now.
      return (await branch(made.id, work)) ?? made;
    },
    async updateBranch(id, { name, protected: isProtected, expiresAt }, work) {
      const change_ = {
        ...(name === undefined ? {} : { name }),
        ...(isProtected === undefined ? {} : { protected: isProtected }),
        ...(expiresAt === undefined ? {} : { expires_at: expiresAt === null ? null : toSeconds(expiresAt) }),
      };
      await change(
        {
          doing: `change the branch ${id}`,
          send: (raw, common) => raw.updateProjectBranch({ ...common, path: onBranch(id), body: { branch: change_ } }),
        },
        work,
      );
    },
    async setDefault(id, work) {
      await change(
        {
          doing: `make ${id} the default branch`,
          send: (raw, common) => raw.setDefaultProjectBranch({ ...common, path: onBranch(id) }),
        },
        work,
      );
    },
    async deleteBranch(id, work) {
      await orGone(
        change(
          { doing: `delete the branch ${id}`, send: (raw, common) => raw.deleteProjectBranch({ ...common, path: onBranch(id) }) },
          work,
        ),
      );
    },
    async restoreBranch(id, { sourceId, at, keepAs }, work) {
      await make(
        {
          doing: `restore the branch ${id}`,
          send: (raw, common) =>
            raw.restoreProjectBranch({
              ...common,
              path: onBranch(id),
              body: { source_branch_id: sourceId, preserve_under_name: keepAs, ...pointOf(at, "source_timestamp", "source_lsn") },
            }),
          read: () => true,
          // The kept state appears with the restore, in one act.
          look: async () => ((await byName(keepAs, work)) === undefined ? undefined : true),
        },
        work,
      );
    },
    async finalizeRestore(id, { keepAs }, work) {
      await make(
        {
          doing: `put the restored branch ${id} in its place`,
          send: (raw, common) => raw.finalizeRestoreBranch({ ...common, path: onBranch(id), body: { name: keepAs } }),
          read: () => true,
          look: async () => ((await byName(keepAs, work)) === undefined ? undefined : true),
        },
        work,
      );
    },
    schedule: (id, work) =>
      ask(
        {
          doing: `show the snapshot schedule of ${id}`,
          send: (raw, common) => raw.getSnapshotSchedule({ ...common, path: onBranch(id) }),
          read: (data) =>
            (data.schedule ?? []).map(
              ({ frequency, hour, day, retention_seconds }): NeonScheduleItem => ({
                frequency,
                hour,
                day,
                retentionSeconds: retention_seconds,
              }),
            ),
        },
        work,
      ),
    async setSchedule(id, items, work) {
      const schedule = items.map(({ frequency, hour, day, retentionSeconds }) => ({
        frequency,
        ...(hour === undefined ? {} : { hour }),
        ...(day === undefined ? {} : { day }),
        ...(retentionSeconds === undefined ? {} : { retention_seconds: retentionSeconds }),
      }));
      await change(
        {
          doing: `set the snapshot schedule of ${id}`,
          send: (raw, common) => raw.setSnapshotSchedule({ ...common, path: onBranch(id), body: { schedule } }),
        },
        work,
      );
    },
  };
}

function pointOf<T extends string, L extends string>(at: NeonPoint, time: T, lsn: L): Partial<Record<T | L, string>> {
  if (at === undefined) return {};
  return ("time" in at ? { [time]: at.time.toISOString() } : { [lsn]: at.lsn }) as Partial<Record<T | L, string>>;
}
