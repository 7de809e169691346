// Hold and release: exempting a restore point from expiry, and ending that.
import { mark } from "../repository/marks.ts";
import { holdNow } from "./backup.ts";
import { runJob } from "./job.ts";
import type { PointEntry } from "./points.ts";
import type { Watch, Workshop } from "./workshop.ts";

/** Puts the point on hold; `undefined` as the reason of a release. Doing either twice changes nothing more. */
export async function setHold(
  workshop: Workshop,
  entry: PointEntry,
  held: boolean,
  reason: string | undefined,
  watch: Watch,
): Promise<void> {
  const hold = held ? holdNow(workshop, reason) : undefined;
  await runJob(
    workshop,
    { verb: held ? "hold" : "release", source: entry.source, point: entry.point.id },
    watch,
    (job) => job.step("mark", () => mark(workshop.repository.storage, entry.source, entry.point.id, { hold })),
    () => ({ point: entry.point.id }),
  );
}
