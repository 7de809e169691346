// An application at Coolify, its cloud or a server of one's own.
import { flag, text } from "../../core/option-types.ts";
import { address } from "../../core/service-address.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  url: { type: address, required: true, help: "Address of the Coolify server.", example: "https://coolify.example.com" },
  application: { type: text, required: true, help: "UUID of the application.", example: "rg8ks8c" },
  token: {
    type: text,
    required: true,
    secret: true,
    help: "API token with the abilities read, read:sensitive, write and deploy.",
    example: "${COOLIFY_TOKEN}",
  },
  restart: {
    type: flag,
    default: false,
    help: "Restart the application instead of deploying it: enough where the variable is not read by the build.",
  },
} as const;

export const coolify = defineCutOver({ kind: "coolify", options, load: () => import("./coolify.ts") });
