// A webhook of the user's own, signed as Standard Webhooks 1.0.0 says.

import { address, signingSecret } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  url: {
    type: address,
    required: true,
    secret: true,
    help: "Address that alerts are posted to.",
    example: "https://ops.example.com/hooks/lifeboat",
  },
  secret: {
    type: signingSecret,
    required: true,
    secret: true,
    help: "Secret that each request is signed with, shared with the receiver.",
    example: "${LIFEBOAT_WEBHOOK_SECRET}",
  },
  previousSecret: { type: signingSecret, secret: true, help: "An older secret that signs too, while receivers change to the new one." },
} as const;

export const webhook = defineNotifier({
  kind: "webhook",
  options,
  load: () => import("./webhook.ts"),
});
