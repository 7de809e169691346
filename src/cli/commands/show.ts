// lifeboat show POINT
import { flag, text } from "../../core/option-types.ts";
import { show } from "../../operations/verbs/show.ts";
import { defineCommand } from "../command.ts";
import { renderShown } from "../render/show.ts";
import { perform } from "../session.ts";

export const showCommand = defineCommand({
  description:
    "The manifest of a restore point: what it holds, what it does not, who can open it, and how to bring it back without Lifeboat.",
  arguments: { point: { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } },
  options: { contents: { type: flag, help: "List what is inside, too; needs the identity." } },
  json: true,
  run: (call) => perform(call, show, { ...call.args, ...call.options }, (result) => renderShown(result, call.paint)),
});
