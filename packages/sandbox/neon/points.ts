// Past positions of a branch: which can be reached, where they are, and the roles and databases of then.
import { NO_HISTORY } from "./branch-view.ts";
import { type Emulator, instant } from "./emulator.ts";
import { invalid, refused } from "./errors.ts";
import type { ForkPoint } from "./fleet/fleet-types.ts";
import { type Branch, type Catalog, type NeonProject, rolesOf } from "./state.ts";

export type Point =
  | { readonly kind: "head" }
  | { readonly kind: "time"; readonly at: Date }
  | { readonly kind: "lsn"; readonly lsn: string };

/** Reads two optional texts, of which at most one may be given. */
export function pointOf(timestamp: string | undefined, lsn: string | undefined, key = "timestamp"): Point {
  if (timestamp !== undefined && lsn !== undefined) throw invalid(`${key} and lsn exclude each other`);
  if (timestamp !== undefined) return { kind: "time", at: instant(timestamp, key) };
  if (lsn === undefined) return { kind: "head" };
  if (!/^[0-9a-f]{1,8}\/[0-9a-f]{1,8}$/i.test(lsn)) throw invalid("lsn must look like 0/1F3C8A0");
  return { kind: "lsn", lsn: lsn.toUpperCase() };
}

/** The oldest instant of a branch that can be reached, and whether any can. */
export function earliest(emulator: Emulator, project: NeonProject, branch: Branch): Date {
  const kept = emulator.time.now().getTime() - project.historySeconds * 1000;
  return new Date(Math.max(kept, branch.createdAt.getTime(), branch.lastResetAt?.getTime() ?? 0));
}

/** Forks the branch's line there. 400 when the point is outside of the branch's history. */
export async function forkAt(
  emulator: Emulator,
  project: NeonProject,
  branch: Branch,
  point: Point,
): Promise<{ readonly line: string; readonly lsn: string; readonly at: Date; readonly catalog: Catalog }> {
  const now = emulator.time.now();
  const at = point.kind === "time" ? point.at : now;
  if (point.kind === "time") {
    const first = earliest(emulator, project, branch);
    if (at > now) throw invalid(`timestamp ${at.toISOString()} is in the future`);
    if (at < first) throw outside(`timestamp ${at.toISOString()}`, first);
  }
  if (point.kind !== "head" && project.historySeconds === 0) throw refused("history is turned off for this project");
  const position: ForkPoint = point.kind === "time" ? { kind: "time", at: emulator.time.toReal(at) } : point;
  try {
    const { line, forkLsn } = await emulator.fleet.fork(branch.line, position);
    const catalog = point.kind === "lsn" ? branch.catalog : catalogAt(branch.catalog, at);
    // The data of then may have passwords that the API has forgotten since, or never have seen one set while it slept.
    for (const role of rolesOf({ catalog })) {
      if (point.kind !== "head" && role.password !== undefined) await emulator.fleet.setPassword(line, role.name, role.password);
    }
    return { line, lsn: forkLsn, at, catalog };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw outside(point.kind === "lsn" ? `lsn ${point.lsn}` : `timestamp ${at.toISOString()}`, earliest(emulator, project, branch));
  }
}

function outside(what: string, first: Date): Error {
  return invalid(`${what} is outside of the branch's history, which begins at ${first.toISOString()}`);
}

/** Roles and databases as they were. */
export function catalogAt(catalog: Catalog, at: Date): Catalog {
  const there = (each: { readonly from: Date; readonly until?: Date | undefined }): boolean =>
    each.from <= at && (each.until === undefined || each.until > at);
  return {
    roles: catalog.roles.filter(there).map((role) => ({ ...role, until: undefined })),
    databases: catalog.databases.filter(there).map((database) => ({ ...database, until: undefined })),
  };
}

/** A branch that came from a snapshot has no past that can be asked for. */
export function refuseLostHistory(branch: Branch, point: Point): void {
  if (point.kind !== "head" && branch.restoreStatus !== undefined) throw refused(NO_HISTORY);
}
