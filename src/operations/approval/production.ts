// Whose production a restore would change, of the sources that take approval.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Context, Source, Watch } from "../context.ts";
import { isDirectory } from "../recovery/directory.ts";

export const whenGuarded = ({ name, approval }: Source): readonly string[] => (approval === true ? [name] : []);

/** Refuses an automatic change of a production that takes approval, before anything is done. APPROVAL_NEEDED. */
export function refuseUnapproved({ name, approval }: Source, what: string): void {
  if (approval !== true) return;
  throw new LifeboatError("APPROVAL_NEEDED", `${what} would set production of ${name} back, which takes the approval of a second person`, {
    hint: `leave it out; when the change fails, restore with \`lifeboat restore ${name}\` and --request-approval`,
    details: { source: name },
  });
}

interface Asked {
  readonly into?: string | undefined;
  readonly inPlace?: boolean | undefined;
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  readonly replace?: boolean | undefined;
  readonly merge?: boolean | undefined;
}

/**
 * Production of the source itself is changed in place, by what is replaced, by rows alone, and by tables that come back beside the live
 * ones. Production of any source is changed by a restore that loads into its own database. Where that cannot be told, it counts as changed.
 */
export async function productionOf(context: Context & Watch, source: Source, asked: Asked): Promise<readonly string[]> {
  const { into, inPlace, tables, dataOnly, replace, merge } = asked;
  const changes =
    merge === true || inPlace === true || replace === true || dataOnly === true || (tables !== undefined && into === undefined);
  const own = changes ? whenGuarded(source) : [];
  const isLoaded = merge === true || replace === true || dataOnly === true || tables !== undefined;
  if (own.length > 0 || into === undefined || !isLoaded || isDirectory(into)) return own;
  const guarded = [...context.sources.values()].filter(({ approval }) => approval === true);
  const hit: string[] = [];
  for (const one of guarded) if (await isDatabaseOf(source, into, one, context)) hit.push(one.name);
  return hit;
}

async function isDatabaseOf(source: Source, into: string, other: Source, { signal }: Watch): Promise<boolean> {
  if (source.engine.name !== other.engine.name) return false;
  try {
    const own = into.includes("://") ? undefined : await source.provider.connection({ signal });
    const { connection } = source.engine.resolveTarget(own, into);
    if (!(await source.engine.stateOf(source.engine.resolveTarget(own, into), { signal })).exists) return false;
    await source.engine.assertSeparate(await other.provider.connection({ signal }), connection, { signal });
    return false;
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error)) throw error;
    return true;
  }
}
