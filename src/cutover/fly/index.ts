// An app at Fly, by its own program.
import { text } from "../../core/option-types.ts";
import { defineCutOver } from "../../ports/descriptor.ts";

const options = {
  app: { type: text, required: true, help: "Name of the app.", example: "shop" },
  token: { type: text, required: true, secret: true, help: "Token that may change secrets and deploy.", example: "${FLY_API_TOKEN}" },
  program: { type: text, default: "fly", help: "Fly's program: its name in PATH, or where it is." },
} as const;

export const fly = defineCutOver({ kind: "fly", options, load: () => import("./fly.ts") });
