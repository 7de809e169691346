// What providers hold of sources: their points, and the window in which any instant can be reached. For `list`.
import { asLifeboatError } from "../../core/errors.ts";
import type { RestorePoint } from "../../core/restore-point.ts";
import type { HistoryWindow } from "../../ports/control.ts";
import type { Context, Watch } from "../context.ts";
import { snapshotsOf } from "./snapshots.ts";

export interface ContinuousWindow extends HistoryWindow {
  readonly source: string;
}

export interface AtProviders {
  readonly snapshots: readonly RestorePoint[];
  readonly windows: readonly ContinuousWindow[];
  /** Providers that could not be asked: a list without them is incomplete, and says so. */
  readonly unasked: readonly { readonly source: string; readonly code: string; readonly message: string }[];
}

const ASK_MS = 30_000;

/** Asks the providers of these sources. */
export async function atProviders(context: Context, names: readonly string[], watch: Watch): Promise<AtProviders> {
  const snapshots: RestorePoint[] = [];
  const windows: ContinuousWindow[] = [];
  const unasked: { source: string; code: string; message: string }[] = [];
  const work = { signal: AbortSignal.any([watch.signal, AbortSignal.timeout(ASK_MS)]) };
  const asked = names.flatMap((name) => context.sources.get(name) ?? []).filter(({ managed }) => managed === true);
  await Promise.all(
    asked.map(async (one) => {
      try {
        snapshots.push(...(await snapshotsOf(context, one, work)).map(({ point }) => point));
        const window = await one.provider.history?.window(work);
        if (window !== undefined) windows.push({ source: one.name, ...window });
      } catch (error) {
        watch.signal.throwIfAborted();
        const { code, message } = asLifeboatError(error);
        unasked.push({ source: one.name, code, message: `what the provider holds of ${one.name} is not known: ${message}` });
      }
    }),
  );
  return { snapshots, windows: windows.sort((a, b) => (a.source < b.source ? -1 : 1)), unasked };
}
