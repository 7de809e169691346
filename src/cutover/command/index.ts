// Commands of the user's own that read and set the variable.
import { listOf } from "../../core/option.ts";
import { text } from "../../core/option-types.ts";
import { defineCutOver } from "../../ports/descriptor.ts";
import { pass } from "../pass.ts";

const argv = listOf(text);

const options = {
  read: {
    type: argv,
    help: "Program and arguments that print the present value. Default: `previous` is the value to go back to.",
    example: '["/opt/app/bin/config", "get", "DATABASE_URL"]',
  },
  set: {
    type: argv,
    required: true,
    help: "Program and arguments that set the value, which they read from standard input.",
    example: '["/opt/app/bin/config", "set", "DATABASE_URL"]',
  },
  deploy: {
    type: argv,
    help: "Program and arguments that make the application read the value, and that end when it did. Default: `set` does.",
    example: '["systemctl", "restart", "shop"]',
  },
  pass,
} as const;

export const command = defineCutOver({ kind: "command", options, load: () => import("./command.ts") });
