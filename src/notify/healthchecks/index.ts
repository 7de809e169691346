// Healthchecks: a dead-man heartbeat, at healthchecks.io or self-hosted.

import { address } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  url: {
    type: address,
    required: true,
    secret: true,
    help: "Ping address of the check, as its page shows it.",
    example: "https://hc-ping.com/${HEALTHCHECKS_UUID}",
  },
} as const;

export const healthchecks = defineNotifier({
  kind: "healthchecks",
  options,
  load: () => import("./healthchecks.ts"),
});
