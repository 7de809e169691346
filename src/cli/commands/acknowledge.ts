// lifeboat acknowledge SOURCE
import { text } from "../../core/option-types.ts";
import { acknowledge } from "../../operations/verbs/acknowledge.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

export const acknowledgeCommand = defineCommand({
  description:
    "Says that what `status` reports is intended or cannot be changed: a table that lost its data, protection that was lowered at the provider; and that restore points, marks or log that it misses are lost for good, so that `status` no longer misses them and expiry continues. First look whether the storage still has them: another version of the object, a copy, a snapshot of the bucket. The acknowledgement is stored and signed, and counts on every other machine.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: { reason: { type: text, required: true, value: "TEXT", help: "What became of them. It is kept." } },
  json: true,
  examples: ['lifeboat acknowledge shop --reason "folder deleted by hand, ticket 4711"'],
  run: (call) =>
    perform(call, acknowledge, { ...call.args, ...call.options }, ({ source, acknowledged }) =>
      acknowledged.length === 0
        ? `nothing of ${source} is missed`
        : ["acknowledged, and no longer missed:", ...acknowledged.map(({ code, message }) => `  ${code}: ${message}`)].join("\n"),
    ),
});
