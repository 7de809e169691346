// lifeboat acknowledge SOURCE

import { EXIT } from "../../core/errors.ts";
import { text } from "../../core/option-types.ts";
import { visible } from "../../core/visible.ts";
import { acknowledge } from "../../operations/retention/acknowledge.ts";
import { defineCommand } from "../command.ts";
import { sourceNamed, withContext } from "../session.ts";

export const acknowledgeCommand = defineCommand({
  description:
    "Says that restore points, marks or log that `status` misses are lost for good, so that they are not missed any more and expiry goes on. Look first whether the storage has them still: another version of the object, a copy, a snapshot of the bucket. What is acknowledged is written down, signed, for every other machine.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: { reason: { type: text, required: true, value: "TEXT", help: "What became of them. It is kept." } },
  json: true,
  examples: ['lifeboat acknowledge shop --reason "folder deleted by hand, ticket 4711"'],
  async run(call) {
    return withContext(call, async (context, watch) => {
      const { name } = sourceNamed(context, call.args.source);
      const { reasons } = await acknowledge(context, name, call.options.reason, watch);
      call.emit({ source: name, acknowledged: reasons }, () =>
        reasons.length === 0
          ? `nothing of ${name} is missed`
          : ["acknowledged, and not missed any more:", ...reasons.map(({ code, message }) => `  ${code}: ${visible(message)}`)].join("\n"),
      );
      return EXIT.done;
    });
  },
});
