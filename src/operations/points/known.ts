// Whether there is what a request names, for adapters that answer before the operation runs.
import { isStoredSource } from "../../repository/backups.ts";
import type { Context, Watch } from "../context.ts";
import { sourceNamed } from "../sources.ts";
import { findAnyPoint } from "./snapshots.ts";

/**
 * Throws SOURCE_UNKNOWN for a `source` that neither the configuration nor the repository has, POINT_UNKNOWN and POINT_AMBIGUOUS for a
 * `point`, and what a storage or provider throws that does not answer. All other fields are left to the operation.
 */
export async function refuseUnknown(context: Context, request: unknown, { signal }: Pick<Watch, "signal">): Promise<void> {
  const source = textIn(request, "source");
  if (source !== undefined && !context.sources.has(source) && !(await isStoredSource(context.repository.storage, source)))
    sourceNamed(context, source);
  const point = textIn(request, "point");
  if (point !== undefined) await findAnyPoint(context, point, source, { signal, unsigned: true });
}

function textIn(request: unknown, field: string): string | undefined {
  const value: unknown = typeof request === "object" && request !== null ? Reflect.get(request, field) : undefined;
  return typeof value === "string" ? value : undefined;
}
