// lifeboat completion bash|zsh|fish

import { EXIT } from "../../core/errors.ts";
import { oneOf } from "../../core/option-types.ts";
import { defineCommand } from "../command.ts";
import { type CompletionEntry, renderCompletion, SHELLS } from "../render/completion.ts";

export const completionCommand = defineCommand({
  description:
    "Prints the completion of commands and options for a shell.\n\nbash: `source <(lifeboat completion bash)` in ~/.bashrc\nzsh: `source <(lifeboat completion zsh)` in ~/.zshrc, after compinit\nfish: `lifeboat completion fish > ~/.config/fish/completions/lifeboat.fish`",
  arguments: { shell: { type: oneOf(SHELLS), required: true, help: `The shell: ${SHELLS.join(", ")}.` } },
  options: {},
  json: false,
  examples: ["source <(lifeboat completion bash)"],
  async run({ args, commands, emit }) {
    const entries = await Promise.all(
      commands.map(async ({ name, summary, load }): Promise<CompletionEntry> => ({ name, summary, definition: await load() })),
    );
    const text = renderCompletion(args.shell, entries);
    emit({ completion: text }, text);
    return EXIT.done;
  },
});
