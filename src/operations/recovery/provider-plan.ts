// What a restore within the provider would do, under which names, and what stands against it. Nothing is touched.
import { type ErrorCode, LifeboatError } from "../../core/errors.ts";
import { NAME_PATTERNS, renderName, validateName } from "../../core/names.ts";
import type { Plan, PlanRefusal, PlanStep } from "../../core/plan.ts";
import { wordsOf } from "../../core/words.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";
import type { PastTarget } from "./history.ts";
import { toldIn, toldOf } from "./resolve.ts";

export interface BranchRestoreRequest {
  /** Name of the new branch or cluster. Default: `restore-YYYY-MM-DD-HHMM`. */
  readonly into?: string | undefined;
  /** Production itself goes back; its connection string stays the same. */
  readonly inPlace?: boolean | undefined;
  /** Name under which production's present state is kept. Default: `rollback-YYYYMMDD`. */
  readonly keepAs?: string | undefined;
  /** Restore over the place named by `into`: all that it holds is lost. */
  readonly replace?: boolean | undefined;
  readonly yes?: string | undefined;
  /** Names that others of the same run have chosen: added to, so that none is chosen twice. */
  readonly taken?: string[] | undefined;
}

export interface Course {
  readonly into: string;
  /** The place is there already, and is restored over. */
  readonly over: boolean;
  readonly keepAs: string;
  readonly refusals: readonly PlanRefusal[];
}

/** What holds production's state from before a restore in place: a branch, where the provider makes such, else a snapshot. */
export const keptWord = ({ provider }: Source): "branch" | "snapshot" =>
  (provider.snapshots?.forms ?? ["branch"]).includes("branch") ? "branch" : "snapshot";

/** The plan in words. */
export async function planBranchRestore(
  context: Context,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  watch: Watch,
): Promise<Plan> {
  const course = await plot(context, source, past, request, watch);
  const proof: PlanStep = {
    what: `read every ${wordsOf(source.engine.name).table}, ask the probes`,
    effect: "none",
    reason: "a restore counts when it is proven",
  };
  const steps = [...past.remarks.map(noted), ...changes(source, past, request, course), proof];
  return { verb: "restore", source: source.name, ...toldIn(context, toldOf(past)), steps, refusals: course.refusals };
}

export const noted = (remark: string): PlanStep => ({ what: "round the instant down", effect: "none", reason: remark });

function changes(source: Source, past: PastTarget, request: BranchRestoreRequest, { into, over, keepAs }: Course): PlanStep[] {
  const { place, interruption } = historyControl(source);
  const reason = `it holds the data of ${past.point.snapshotAt}`;
  if (request.inPlace) {
    const same = `${reason}; the connection string stays the same`;
    return [
      {
        what: `keep production's present state as ${keptWord(source)} ${keepAs}`,
        effect: "create",
        reason: "until somebody accepts the restore",
      },
      {
        what: `set production back to ${past.point.name}`,
        effect: "change",
        reason: interruption === undefined ? same : `${same}; ${interruption}`,
      },
    ];
  }
  if (over)
    return [{ what: `restore ${past.point.name} over ${place} ${into}`, effect: "remove", reason: `all that it holds is lost; ${reason}` }];
  return [{ what: `create ${place} ${into} from ${past.point.name}`, effect: "create", reason }];
}

/** Names, and refusals. USAGE for a name that cannot be had. */
export async function plot(
  context: Context,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  watch: Watch,
): Promise<Course> {
  const history = historyControl(source);
  const inPlace = request.inPlace === true;
  const at = context.clock.now();
  const over = !inPlace && request.into !== undefined && (await isToBeReplaced(context, source, request.into, request, watch));
  const keepAs = inPlace ? await freeBranchName(source, NAME_PATTERNS.rollback, request.keepAs, at, watch, keptWord(source)) : "";
  const into = over
    ? (request.into ?? "")
    : inPlace
      ? ""
      : await freeBranchName(source, NAME_PATTERNS.restore, request.into, at, watch, "branch", request.taken);
  const refusals: PlanRefusal[] = [];
  for (const message of await history.obstacles({ target: past.target, inPlace }, watch)) refusals.push({ code: codeOf(message), message });
  const wiped = inPlace
    ? `production of ${source.name} would be set back to ${past.point.name}${history.interruption === undefined ? "" : `; ${history.interruption}`}`
    : over
      ? `all that ${history.place} ${into} holds would be lost: ${past.point.name} of ${source.name} would be restored over it`
      : undefined;
  if (wiped !== undefined && request.yes !== source.name) refusals.push({ code: "CONFIRMATION_NEEDED", message: wiped });
  return { into, over, keepAs, refusals };
}

/** Whether the place is there and may be restored over. USAGE where it is and may not. */
async function isToBeReplaced(
  context: Context,
  source: Source,
  name: string,
  { replace }: BranchRestoreRequest,
  watch: Watch,
): Promise<boolean> {
  const history = historyControl(source);
  const found = await history.find(name, watch);
  if (found === undefined || found.form === "snapshot") return false;
  if (found.production)
    throw new LifeboatError("USAGE", `${history.place} ${name} is production of ${source.name}`, {
      hint: `give another name, or set production itself back: --in-place --yes ${source.name}`,
    });
  if (history.over === undefined) throw nameTaken(source, name);
  if (replace === true) {
    await assertNobodysProduction(context, source, found, watch);
    return true;
  }
  throw new LifeboatError("USAGE", `${source.name} has a ${history.place} named ${name} already`, {
    hint: `give another name, or restore over it with --replace --yes ${source.name}: all that it holds is lost then`,
  });
}

/** `--yes` names the source whose data comes, not the one whose data would go. One that cannot be asked is no reason to go on. */
async function assertNobodysProduction(
  { sources }: Context,
  source: Source,
  found: { readonly id: string; readonly name: string },
  watch: Watch,
): Promise<void> {
  const { place } = historyControl(source);
  for (const other of sources.values()) {
    if (other.name === source.name || other.managed !== true || other.providerName !== source.providerName) continue;
    if ((await other.provider.history?.find(found.id, watch))?.production !== true) continue;
    throw new LifeboatError("USAGE", `${place} ${found.name} is production of ${other.name}`, { hint: "give another name" });
  }
}

function nameTaken(source: Source, name: string, occupant = name): LifeboatError {
  const { place, distinctLength } = historyControl(source);
  const why =
    occupant === name ? "" : `, and names of ${place}s must differ within their first ${distinctLength} characters, unlike ${name}`;
  return new LifeboatError("USAGE", `${source.name} has a ${place} named ${occupant} already${why}`, {
    hint: "give another name, or none",
  });
}

/** The port tells obstacles in sentences; want of room is the one that scripts must tell from the others. */
const codeOf = (message: string): ErrorCode => (/\b(room|limit)\b/i.test(message) ? "PROVIDER_LIMIT" : "PROVIDER_REFUSED");

/** The name asked for when it is free (else USAGE), or one by the pattern. Snapshots have names of their own, unless one is wanted. */
export async function freeBranchName(
  source: Source,
  pattern: string,
  wanted: string | undefined,
  at: Date,
  watch: Watch,
  form: "branch" | "snapshot" = "branch",
  taken: string[] = [],
): Promise<string> {
  const history = historyControl(source);
  const { distinctLength } = form === "branch" ? history : {};
  const occupantOf = async (name: string): Promise<string | undefined> => {
    if (form === "branch" && history.inTheWayOf !== undefined) return await history.inTheWayOf(name, watch);
    const found = await history.find(name, watch);
    return form === "branch" && found?.form === "snapshot" ? undefined : found?.name;
  };
  if (wanted !== undefined) {
    validateName(wanted);
    const occupant = await occupantOf(wanted);
    if (occupant === undefined) return wanted;
    throw nameTaken(source, wanted, occupant);
  }
  for (;;) {
    const name = renderName(pattern, { at, taken, distinctLength });
    taken.push(name); // at once: another restore of this run may be choosing too
    if ((await occupantOf(name)) === undefined) return name;
  }
}
