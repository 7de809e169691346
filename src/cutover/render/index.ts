// A service at Render.
import { text } from "../../core/option-types.ts";
import { address } from "../../core/service-address.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  service: { type: text, required: true, help: "Id of the service.", example: "srv-abc123" },
  token: { type: text, required: true, secret: true, help: "API key.", example: "${RENDER_API_KEY}" },
  api: { type: address, default: "https://api.render.com/v1", help: "Address of the API." },
} as const;

export const render = defineCutOver({ kind: "render", options, load: () => import("./render.ts") });
