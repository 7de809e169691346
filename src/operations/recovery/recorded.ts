// The fingerprint that was recorded when a restore point was taken: it tells of the data without a restore.
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { Context, Watch } from "../context.ts";
import { readFingerprint } from "./load.ts";
import { expectedOf } from "./provider.ts";
import type { Route } from "./resolve.ts";

export const isRecorded = async (route: Route): Promise<boolean> =>
  route.kind === "copy"
    ? route.copy.replay === undefined && route.copy.entry.manifest.fingerprint !== undefined
    : route.kind === "provider" && route.target.entry?.record?.fingerprint !== undefined;

/** What was recorded when the point was taken; undefined: nothing, or log is replayed onto it. */
export async function recordedOf(context: Context, route: Route, watch: Watch): Promise<Fingerprint | undefined> {
  if (!(await isRecorded(route))) return undefined;
  if (route.kind === "provider") return expectedOf(context, route.target, watch);
  return route.kind === "copy" ? readFingerprint(context, route.copy.entry, await context.openKey(), watch.signal) : undefined;
}
