// docs/commands.md, from the tables of the commands.
import type { CommandDefinition, CommandEntry } from "../../src/cli/command.ts";
import { COMMANDS } from "../../src/cli/commands/index.ts";
import { argumentFlags, optionFlags, wordsOfOption } from "../../src/cli/program.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# Commands

${GENERATED}

Every command takes \`--config FILE\` (environment \`LIFEBOAT_CONFIG\`, default \`lifeboat.yaml\`), \`--quiet\` (no progress; only
results and errors) and \`--help\`. A command that runs one job takes its id with \`--job ID\`, from a program that made one. Results go to standard output, progress and errors to standard error. Progress is a live
line on a terminal and plain lines elsewhere. With \`--json\` the result is one line of [JSON](json.md), an error is one
line of JSON on standard error, and there is no progress. \`NO_COLOR\` and \`FORCE_COLOR\` are obeyed. Exit statuses: [errors](errors.md).

An interrupt (Ctrl-C, SIGTERM) stops the work, undoes what is half done and ends with status 130; a second one ends at once,
and the next start cleans up.
`;

export async function commandsPage(): Promise<string> {
  const parts = [INTRODUCTION];
  let group = "";
  for (const entry of COMMANDS) {
    if (entry.group !== group) parts.push(`## ${entry.group.replace(/:$/, "")}\n`);
    group = entry.group;
    parts.push(describe(entry, await entry.load()));
  }
  return `${parts.join("\n").trimEnd()}\n`;
}

function describe(entry: CommandEntry, definition: CommandDefinition): string {
  const args = Object.entries(definition.arguments);
  const options = Object.entries(definition.options);
  const usage = [
    "lifeboat",
    entry.name,
    ...args.map(([key, argument]) => argumentFlags(key, argument)),
    ...(options.length > 0 || definition.json ? ["[options]"] : []),
  ];
  const rows = [
    ...args.map(([key, argument]) => [`\`${argumentFlags(key, argument)}\``, argument.help]),
    ...options.map(([key, option]) => [
      `\`${optionFlags(key, option)}\``,
      [
        `${option.help}${wordsOfOption(option)}`,
        option.default === undefined || option.default === false ? "" : `Default: \`${String(option.default)}\`.`,
        option.env === undefined ? "" : `Environment: \`${option.env}\`.`,
        option.example === undefined ? "" : `Example: \`${option.example}\``,
      ]
        .filter(Boolean)
        .join(" "),
    ]),
    ...(definition.json ? [["`--json`", "The result as one line of JSON."]] : []),
  ];
  return [
    `### lifeboat ${entry.name}`,
    "",
    `${entry.summary}.`,
    ...(definition.description === undefined ? [] : ["", definition.description]),
    "",
    "```",
    usage.join(" "),
    "```",
    "",
    ...(rows.length > 0 ? [table(["argument or option", "what it does"], rows), ""] : []),
    ...(definition.examples === undefined ? [] : ["```sh", ...definition.examples, "```", ""]),
  ].join("\n");
}
