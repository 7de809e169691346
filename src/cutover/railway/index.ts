// A service at Railway.
import { text } from "../../core/option-types.ts";
import { address } from "../../core/service-address.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  project: { type: text, required: true, help: "Id of the project.", example: "5a7c1e0e-…" },
  environment: { type: text, required: true, help: "Id of the environment.", example: "9b1f…" },
  service: { type: text, required: true, help: "Id of the service.", example: "c2d4…" },
  token: { type: text, required: true, secret: true, help: "Account or workspace token.", example: "${RAILWAY_TOKEN}" },
  api: { type: address, default: "https://backboard.railway.com/graphql/v2", help: "Address of the API." },
} as const;

export const railway = defineCutOver({ kind: "railway", options, load: () => import("./railway.ts") });
