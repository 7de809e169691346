// A file of variables that the application reads when it starts: `.env`, an EnvironmentFile of systemd, an env_file of Compose.
import { listOf } from "../../core/option.ts";
import { path, text } from "../../core/option-types.ts";
import { defineCutOver } from "../../ports/descriptor.ts";
import { pass } from "../pass.ts";

const options = {
  file: { type: path, required: true, help: "The file.", example: "/etc/shop/environment" },
  restart: {
    type: listOf(text),
    help: "Program and arguments that restart the application, and that end when it was restarted. Default: the application watches the file.",
    example: '["systemctl", "restart", "shop"]',
  },
  pass,
} as const;

export const environmentFile = defineCutOver({ kind: "environment-file", options, load: () => import("./environment-file.ts") });
