// The option of every cut-over that runs a program of the user's own.
import { listOf } from "../core/option.ts";
import { text } from "../core/option-types.ts";

export const pass = {
  type: listOf(text),
  default: [],
  help: "Variables of Lifeboat's environment that the program receives, beside PATH, HOME and the like.",
  example: "[KUBECONFIG]",
} as const;
