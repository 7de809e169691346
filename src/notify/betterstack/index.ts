// Better Stack: a dead-man heartbeat, incidents, or both.
import { listOf } from "../../core/option.ts";
import { oneOf, text } from "../../core/option-types.ts";
import { secretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  heartbeat: {
    type: secretAddress,
    secret: true,
    help: "Address of a heartbeat monitor.",
    example: "https://uptime.betterstack.com/api/v1/heartbeat/${BETTERSTACK_HEARTBEAT}",
  },
  token: { type: text, secret: true, help: "Uptime API token, which opens and resolves incidents.", example: "${BETTERSTACK_TOKEN}" },
  requester: {
    type: text,
    help: "Email address of the user that incidents are opened for; `token` requires it.",
    example: "ops@example.com",
  },
  policy: { type: text, help: "Id of the escalation policy. Default: `by` decides.", example: '"12345"' },
  by: {
    type: listOf(oneOf(["call", "sms", "email", "push"])),
    default: ["email", "push"],
    help: "How the user on call is notified, where no `policy` is set.",
  },
  api: { type: secretAddress, default: "https://uptime.betterstack.com/api/v3", help: "Address of the API." },
} as const;

export const betterstack = defineNotifier({
  kind: "betterstack",
  options,
  rule({ heartbeat, token, requester }) {
    if (heartbeat === undefined && token === undefined) return "give heartbeat, or token and requester, or all three";
    return token !== undefined && requester === undefined ? "token needs requester beside it" : undefined;
  },
  load: () => import("./betterstack.ts"),
});
