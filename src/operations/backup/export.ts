// Export: a snapshot that the provider holds, copied to an object storage of the user's, for keeping it elsewhere.
import { LifeboatError } from "../../core/errors.ts";
import type { ExportedSnapshot } from "../../ports/control.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { snapshotsControl } from "./snapshot.ts";

export interface ExportRequest {
  /** Name or id of the snapshot. */
  readonly point: string;
  /** As the provider knows it: its name, or the id of its registration there. */
  readonly bucket: string;
}

export interface Exported extends ExportedSnapshot {
  readonly job: string;
  readonly source: string;
  readonly point: { readonly id: string; readonly name: string };
}

/** CAPABILITY_MISSING, POINT_UNKNOWN, and what the provider throws: PROVIDER_NOT_FOUND for a bucket that it does not know. */
export async function exportSnapshot(context: Context, source: Source, request: ExportRequest, watch: Watch): Promise<Exported> {
  const control = snapshotsControl(source);
  if (control.export === undefined) {
    throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} exports no snapshots`, {
      hint: `make a copy of your own instead: \`lifeboat backup ${source.name} --kind full\``,
    });
  }
  const send = control.export.bind(control);
  const found = await findAnyPoint(context, request.point, source.name, watch);
  if (found.kind === "backup") {
    throw new LifeboatError("USAGE", `${found.entry.point.name} of ${source.name} is a backup in the repository already, not a snapshot`, {
      hint: `run \`lifeboat list ${source.name}\` to see the snapshots`,
    });
  }
  const { snapshot, point } = found.entry;
  return runJob(
    context,
    { verb: "export", source: source.name, exclusive: true, point: point.id },
    watch,
    async (job) => {
      const exported = await job.step("export", () =>
        send({ snapshot, bucket: request.bucket, signal: job.signal, progress: watch.progress }),
      );
      return { ...exported, job: job.id, source: source.name, point: { id: point.id, name: point.name } };
    },
    ({ id, bucket, prefix }) => ({ export: id, bucket, prefix, point: point.id }),
  );
}
