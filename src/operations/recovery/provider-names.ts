// Names of the places that a provider makes: one that is free, or one that is there and may be restored over.
import { LifeboatError } from "../../core/errors.ts";
import { renderName, validateName } from "../../core/names.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";

export interface PlaceRequest {
  /** Name of the new branch or cluster. Default: `restore-YYYY-MM-DD-HHMM`. */
  readonly into?: string | undefined;
  /** Production itself is set back; its connection string stays the same. */
  readonly inPlace?: boolean | undefined;
  /** Name under which production's present state is kept. Default: `rollback-YYYYMMDD`. */
  readonly keepAs?: string | undefined;
  /** Restore over the place named by `into`: all that it holds is lost. */
  readonly replace?: boolean | undefined;
  readonly yes?: string | undefined;
  /** Names that others of the same run have chosen: added to, so that none is chosen twice. */
  readonly taken?: string[] | undefined;
}

/** Whether the place is there and may be restored over. USAGE where it is and may not. */
export async function isToBeReplaced(
  context: Context,
  source: Source,
  name: string,
  { replace }: PlaceRequest,
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
    await refuseProductionOfOthers(context, source, found, watch);
    return true;
  }
  throw new LifeboatError("USAGE", `${source.name} has a ${history.place} named ${name} already`, {
    hint: `give another name, or restore over it with --replace --yes ${source.name}: all that it holds is lost then`,
  });
}

/** `--yes` names the source whose data comes, not the one whose data would be lost. A source that cannot be asked stops the restore. */
async function refuseProductionOfOthers(
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
