// Points that Neon holds: branches made as backups, and Neon's own snapshots.
import { LifeboatError } from "../../core/errors.ts";
import { NAME_PATTERNS, parseName } from "../../core/names.ts";
import type { ProviderSnapshot, SnapshotControl, SnapshotRequest } from "../../ports/control.ts";
import { connectionTo } from "./access.ts";
import { type Account, childrenOf, isProduction, isRoot, type ProjectBranches, projectBranches } from "./account.ts";
import type { NeonBranch, NeonSnapshot } from "./api/types.ts";
import { requireRoom } from "./room.ts";

/** Patterns under which branches count as backups, beside those of the policy. */
const OWN_PATTERNS = [NAME_PATTERNS.daily, NAME_PATTERNS.weekly, NAME_PATTERNS.manual, NAME_PATTERNS.preDeploy, NAME_PATTERNS.drill];

export function snapshotControl(account: Account): SnapshotControl {
  const { api, options } = account;
  const patterns = [...new Set([...options.desired.rules.map(({ name }) => name), ...(options.desired.names ?? []), ...OWN_PATTERNS])];
  const isPoint = (branch: NeonBranch): boolean =>
    !isProduction(account, branch) && !branch.isDefault && patterns.some((pattern) => parseName(pattern, branch.name) !== undefined);

  return {
    forms: ["branch", "snapshot"],
    marked: ["branch"],
    async list(work) {
      const known = new Set(work?.known);
      const [branches, snapshots] = await Promise.all([api.branches(work), api.snapshots(work)]);
      return [
        ...branches.filter((branch) => known.has(branch.id) || isPoint(branch)).map((branch) => fromBranch(branch, branches)),
        ...snapshots.map(fromSnapshot),
      ];
    },
    async create(request) {
      const project = await projectBranches(account, request);
      return request.form === "branch" ? await byBranch(account, project, request) : await bySnapshot(account, project, request);
    },
    async remove({ id, form, name }, work) {
      // Looked for in the list: an answer of 404 could as well mean that the whole project is not the one that was meant.
      if (form === "snapshot") {
        if ((await api.snapshots(work)).some((snapshot) => snapshot.id === id)) await api.deleteSnapshot(id, work);
        return;
      }
      const branch = (await api.branches(work)).find((candidate) => candidate.id === id);
      if (branch === undefined) return;
      if (branch.name !== name) {
        throw new LifeboatError("PROVIDER_REFUSED", `the branch ${id} is called ${branch.name} now, not ${name}; it is left as it is`);
      }
      await removeBranch(account, branch, work);
    },
    async connection({ id, form }, work) {
      if (form === "snapshot") return undefined;
      const branch = await api.branch(id, work);
      if (branch === undefined) return undefined;
      // A compute is never added to a point: it could be written to, and would no longer be what it was.
      const hasCompute = (await api.computes(id, work)).some(({ writable, disabled }) => writable && !disabled);
      return hasCompute ? await connectionTo(account, branch, { mayAddCompute: false }, work) : undefined;
    },
  };
}

/** Kept by us until our own policy lets it go, so without an expiry of Neon's: a branch that expires can have no children. */
async function byBranch(account: Account, project: ProjectBranches, request: SnapshotRequest): Promise<ProviderSnapshot> {
  const { name, mark } = request;
  refuseTaken(name, project.branches, "branch");
  await requireRoom(account, ["branches"], `the branch ${name}`, request);
  const spec = { name, parentId: project.production.id, at: undefined, compute: false, mark };
  const branch = await account.api.createBranch(spec, request);
  return fromBranch(branch, [...project.branches, branch]);
}

async function bySnapshot(account: Account, { production }: ProjectBranches, request: SnapshotRequest): Promise<ProviderSnapshot> {
  const { name, expiresAt } = request;
  if (!isRoot(production)) {
    throw new LifeboatError("PROVIDER_REFUSED", `Neon takes no snapshot of ${production.name}, because it is not a root branch`, {
      hint: "use `by: branch` in the policy",
    });
  }
  refuseTaken(name, await account.api.snapshots(request), "snapshot");
  await requireRoom(account, ["snapshots"], `the snapshot ${name}`, request);
  return fromSnapshot(await account.api.createSnapshot(production.id, { name, expiresAt }, request));
}

export function refuseTaken(name: string, things: readonly { readonly name: string }[], what: string): void {
  if (things.some((thing) => thing.name === name)) {
    throw new LifeboatError("PROVIDER_REFUSED", `there is a ${what} ${name} already`, { hint: "choose another name" });
  }
}

/** Deletes a branch that Neon lets go; PROVIDER_REFUSED, saying why, for one that it keeps or that is production. */
export async function removeBranch(account: Account, branch: NeonBranch, work?: Parameters<SnapshotControl["list"]>[0]): Promise<void> {
  const [branches, snapshots] = await Promise.all([account.api.branches(work), account.api.snapshots(work)]);
  const why = isProduction(account, branch) ? "it is production" : (whyPinned(branch, branches) ?? whyCarries(branch, snapshots));
  if (why !== undefined) throw new LifeboatError("PROVIDER_REFUSED", `the branch ${branch.name} cannot be removed: ${why}`);
  await account.api.deleteBranch(branch.id, work);
}

export function whyPinned(branch: NeonBranch, branches: readonly NeonBranch[]): string | undefined {
  if (branch.isDefault) return "it is the project's default branch";
  if (branch.isProtected) return "it is protected";
  const children = childrenOf(branch, branches).map(({ name }) => name);
  if (children.length > 0) return `${children.slice(0, 3).join(", ")}${children.length > 3 ? " and others" : ""} come from it`;
  return undefined;
}

/** What becomes of snapshots when the branch they were taken of is deleted is not documented: so it is not tried. */
function whyCarries(branch: NeonBranch, snapshots: readonly NeonSnapshot[]): string | undefined {
  const taken = snapshots.filter(({ branchId }) => branchId === branch.id).map(({ name }) => name);
  if (taken.length === 0) return undefined;
  const names = `${taken.slice(0, 3).join(", ")}${taken.length > 3 ? " and others" : ""}`;
  return `snapshots were taken of it, and might go with it (${names})`;
}

function fromBranch(branch: NeonBranch, branches: readonly NeonBranch[]): ProviderSnapshot {
  return {
    id: branch.id,
    form: "branch",
    name: branch.name,
    createdAt: branch.createdAt,
    time: branch.parentTime ?? branch.createdAt,
    expiresAt: branch.expiresAt,
    scheduled: false,
    mark: branch.mark,
    pinned: whyPinned(branch, branches),
  };
}

const fromSnapshot = (snapshot: NeonSnapshot): ProviderSnapshot => ({
  id: snapshot.id,
  form: "snapshot",
  name: snapshot.name,
  createdAt: snapshot.createdAt,
  time: snapshot.time ?? snapshot.createdAt,
  expiresAt: snapshot.expiresAt,
  sizeBytes: snapshot.sizeBytes,
  scheduled: !snapshot.manual,
});
