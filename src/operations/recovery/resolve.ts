// Which road a drill takes where there are both: dumps, and base backups with a log. The one that reaches the target exactly;
// for `latest`, the one that reaches further.
import { isLifeboatError } from "../../core/errors.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { isDamaged, isWhole, newest } from "../../core/restore-point.ts";
import { logOf } from "../log-view.ts";
import { findPoint, pointsOf } from "../points.ts";
import type { Source, Watch, Workshop } from "../workshop.ts";
import { courseTo, parseLogTarget, type RecoveryCourse } from "./course.ts";

/** Undefined: a dump is the better way, or the only one. */
export async function physicalCourse(
  workshop: Workshop,
  source: Source,
  to: string,
  watch: Watch,
  options: { readonly unsigned?: boolean | undefined } = {},
): Promise<RecoveryCourse | undefined> {
  if (source.engine.physical === undefined || !source.provider.capabilities.physical) return undefined;
  const points = await pointsOf(workshop, source.name);
  if (!points.some(({ point }) => point.kind === "base")) return undefined;
  const target = parseLogTarget(to, workshop.clock.now());
  if (target === undefined) {
    const { point } = await findPoint(workshop, to, source.name, options);
    return point.kind === "base" ? courseTo(workshop, source, to, watch.signal) : undefined;
  }
  const dump = newest(points.map(({ point }) => point).filter((point) => isWhole(point) && !isDamaged(point) && point.kind !== "base"));
  if (target.kind === "latest" && dump !== undefined) {
    const { window } = await logOf(workshop, source.name, watch.signal);
    if (window === undefined || dateOfMicros(window.latest) < dump.time) return undefined;
  }
  try {
    return await courseTo(workshop, source, to, watch.signal);
  } catch (error) {
    const outside = isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") || isLifeboatError(error, "NO_RESTORE_POINT");
    // A dump before the instant is second best, and says so.
    if (outside && target.kind !== "lsn" && dump !== undefined) return undefined;
    throw error;
  }
}
