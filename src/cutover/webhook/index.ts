// A webhook of the user's own that reads and sets the variable.
import { address, signingSecret } from "../../core/service-address.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  url: {
    type: address,
    required: true,
    secret: true,
    help: "Address that the requests are posted to: `cutover.read`, `cutover.set` and `cutover.deploy`, as docs/cutover.md describes.",
    example: "https://ops.example.com/hooks/cutover",
  },
  secret: {
    type: signingSecret,
    required: true,
    secret: true,
    help: "Secret that each request is signed with, shared with the receiver.",
    example: "${CUTOVER_WEBHOOK_SECRET}",
  },
} as const;

export const webhook = defineCutOver({ kind: "webhook", options, load: () => import("./webhook.ts") });
