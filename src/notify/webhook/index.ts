// A webhook of the user's own, signed as Standard Webhooks 1.0.0 says.
import { Mismatch } from "../../core/option.ts";
import { written } from "../../core/option-types.ts";
import { defineNotifier } from "../../ports/descriptor.ts";
import { address } from "../options.ts";

/** `whsec_` and the base64 of 24 to 64 random bytes. The message never repeats it. */
const signingSecret = written("signing secret", {}, (text) => {
  const base64 = text.startsWith("whsec_") ? text.slice("whsec_".length) : "";
  const key = Buffer.from(base64, "base64");
  if (key.toString("base64") !== base64 || key.length < 24 || key.length > 64)
    throw new Mismatch("must be whsec_ and the base64 of 24 to 64 random bytes; `echo whsec_$(openssl rand -base64 32)` makes one");
  return text;
});

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
