// Discord, through a webhook of a channel.
import { text } from "../../core/option-types.ts";
import { secretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  url: { type: secretAddress, required: true, secret: true, help: "Address of the webhook.", example: "${DISCORD_WEBHOOK_URL}" },
  threadId: { type: text, help: "Id of a thread to post in, which a forum channel requires." },
} as const;

export const discord = defineNotifier({
  kind: "discord",
  options,
  load: () => import("./discord.ts"),
});
