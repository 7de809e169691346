// lifeboat export: a provider's snapshot copied to a bucket of the user's.
import * as z from "zod/mini";
import { exportSnapshot } from "../backup/export.ts";
import { operation } from "../operation.ts";
import { about, jobId, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

export const exportOperation = operation({
  name: "export",
  access: "backup",
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    point: about(z.string(), "The snapshot, by name or id."),
    bucket: about(z.string(), "The bucket, by its name, or its id at the provider."),
  }),
  result: z.strictObject({
    job: jobId,
    id: about(z.string(), "Of the export, at the provider."),
    source: sourceName,
    point: z.strictObject({ id: z.string(), name: z.string() }),
    bucket: about(z.string(), "Name of the bucket."),
    prefix: about(z.string(), "Where in the bucket."),
  }),
  async run(context, { source, point, bucket }) {
    const done = await exportSnapshot(context, sourceNamed(context, source), { point, bucket }, context);
    return { job: done.job, id: done.id, source: done.source, point: done.point, bucket: done.bucket, prefix: done.prefix };
  },
});
