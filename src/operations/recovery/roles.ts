// Roles in a restore into a database: whether it creates those that the target's server lacks, and what its plan says of them.
import { isLifeboatError } from "../../core/errors.ts";
import type { PlanStep } from "../../core/plan.ts";
import type { LoadOptions } from "../../ports/engine.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import type { Context, Source, Watch } from "../context.ts";
import { readRolesPart } from "./load.ts";
import { NOTHING, type PlanPart } from "./plan.ts";
import type { Route } from "./resolve.ts";

export interface RolesRequest {
  /** Create the roles that the backup describes and the target's server lacks. */
  readonly roles?: boolean | undefined;
  /** As `roles`, and superusers of the source become superusers. */
  readonly superuserRoles?: boolean | undefined;
}

export const rolesWanted = ({ roles, superuserRoles }: RolesRequest): LoadOptions["createRoles"] =>
  superuserRoles === true ? "with superusers" : roles === true ? "ordinary" : undefined;

const SHOWN = 20;

/** A step for each role that is missing, with the statements that create it. For a route that recovers a copy first, none is known yet. */
export async function rolesPart(
  context: Context,
  source: Source,
  request: RolesRequest & { readonly tables?: readonly string[] | undefined },
  { route, place, dataOnly }: { readonly route: Route; readonly place: RestoreTarget; readonly dataOnly: boolean },
  { signal }: Watch,
): Promise<PlanPart> {
  if (route.kind !== "copy" || dataOnly || request.tables !== undefined || source.engine.missingRoles === undefined) return NOTHING;
  const effect = rolesWanted(request) === undefined ? "none" : "create";
  const step = (subject: string, reason: string): PlanStep => ({ action: "create-role", subject, effect, reason });
  try {
    const described = await readRolesPart(context, route.copy.entry, await context.openKey(), signal);
    if (described === undefined) return NOTHING;
    const missing = await source.engine.missingRoles(place, described, { signal });
    const reason = effect === "create" ? "the server lacks it" : "not done: the server lacks it, and --roles was not given";
    const steps = missing.slice(0, SHOWN).map((statements) => step(statements, reason));
    return { steps: missing.length > SHOWN ? [...steps, step(`of ${missing.length - SHOWN} more`, reason)] : steps, timed: [] };
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    return { steps: [step("of each that is missing", `not readable now: ${error.message}`)], timed: [] };
  }
}
