// A project at Vercel: its production environment.
import { text } from "../../core/option-types.ts";
import { address } from "../../core/service-address.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  project: { type: text, required: true, help: "Id or name of the project.", example: "prj_abc123" },
  team: { type: text, help: "Id of the team that owns it. Default: the account of the token.", example: "team_abc123" },
  token: { type: text, required: true, secret: true, help: "Access token.", example: "${VERCEL_TOKEN}" },
  api: { type: address, default: "https://api.vercel.com", help: "Address of the API." },
} as const;

export const vercel = defineCutOver({ kind: "vercel", options, load: () => import("./vercel.ts") });
