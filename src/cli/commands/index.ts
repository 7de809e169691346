// Every command: name, summary, and where to load it from when it is used. Help and the documentation list them in this order.
import type { CommandDefinition } from "../command.ts";

export interface CommandEntry {
  /** As typed; two words for a command of a command: `key new`. */
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  load(): Promise<CommandDefinition>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "key new",
    group: "Keys:",
    summary: "Make the identity that opens backups, and print its recipient",
    load: async () => (await import("./key.ts")).keyNew,
  },
  {
    name: "key show",
    group: "Keys:",
    summary: "Print the recipient of an identity file",
    load: async () => (await import("./key.ts")).keyShow,
  },
];
