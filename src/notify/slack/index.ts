// Slack, through an incoming webhook.

import { secretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  url: {
    type: secretAddress,
    required: true,
    secret: true,
    help: "Address of the incoming webhook, which decides the room.",
    example: "${SLACK_WEBHOOK_URL}",
  },
} as const;

export const slack = defineNotifier({
  kind: "slack",
  options,
  load: () => import("./slack.ts"),
});
