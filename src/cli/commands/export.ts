// lifeboat export SOURCE --point SNAPSHOT --bucket NAME|ID
import { text } from "../../core/option-types.ts";
import { exportOperation } from "../../operations/verbs/export.ts";
import { defineCommand } from "../command.ts";
import { renderFacts } from "../render/table.ts";
import { perform } from "../session.ts";

export const exportCommand = defineCommand({
  description:
    "Has the provider copy a snapshot to a bucket that it may write to, for keeping it offline, and waits until it is done. The bucket must have been registered with the provider (at Atlas: Backup, Export Bucket). The copy is the provider's format and not sealed by Lifeboat: a copy that is, and that opens without the provider, is `backup SOURCE --kind full`.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    point: { type: text, required: true, value: "SNAPSHOT", help: "The snapshot, by name or id; `list` shows them." },
    bucket: { type: text, required: true, value: "NAME|ID", help: "The bucket, by its name, or its id at the provider." },
  },
  json: true,
  examples: ["lifeboat export sessions --point backup-20261121-093000 --bucket acme-offline"],
  run(call) {
    const { paint } = call;
    return perform(call, exportOperation, { ...call.args, ...call.options }, ({ point, source, bucket, prefix, id }) =>
      [
        `${paint.green("✓")} ${paint.bold(point.name)} of ${source} is exported`,
        renderFacts(
          [
            ["bucket", bucket],
            ["under", prefix],
            ["export", id],
          ],
          paint,
        ),
      ].join("\n"),
    );
  },
});
