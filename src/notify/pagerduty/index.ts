// PagerDuty, through a service's Events API v2 integration.
import { Mismatch } from "../../core/option.ts";
import { written } from "../../core/option-types.ts";
import { secretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

/** The message never repeats it. */
const routingKey = written("routing key", {}, (text) => {
  if (!/^[A-Za-z0-9]{32}$/.test(text)) throw new Mismatch("must be the 32 letters and digits of an Events API v2 integration key");
  return text;
});

const options = {
  routingKey: {
    type: routingKey,
    required: true,
    secret: true,
    help: "Integration key of the service.",
    example: "${PAGERDUTY_ROUTING_KEY}",
  },
  events: {
    type: secretAddress,
    default: "https://events.pagerduty.com",
    help: "Address of the Events API; accounts of the EU region have `https://events.eu.pagerduty.com`.",
  },
} as const;

export const pagerduty = defineNotifier({
  kind: "pagerduty",
  options,
  load: () => import("./pagerduty.ts"),
});
