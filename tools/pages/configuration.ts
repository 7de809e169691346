// docs/configuration.md, from the option tables.

import { rootOf } from "../../src/config/tables/root.ts";
import type { Option, OptionTable, Section, Shape } from "../../src/core/option.ts";
import { DESCRIPTORS } from "../../src/descriptors.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# Configuration

${GENERATED}

One file, \`lifeboat.yaml\` where the command is run, or the one named with \`--config\` or \`LIFEBOAT_CONFIG\`.
\`lifeboat init\` writes a first one. For completion and checks while typing, begin it with
\`# yaml-language-server: $schema=./lifeboat.schema.json\` and the path of that file in this package.

## Secrets

Values can hold references, with or without quotes:

| written | becomes |
| --- | --- |
| \`\${NAME}\` | the environment variable; an empty one counts as not set |
| \`\${NAME:-text}\` | the variable, or the text when it is not set |
| \`\${file:/path}\` | the content of the file, without its last line end; a file that others can read is refused |
| \`$\${NAME}\` | the characters \`\${NAME}\` |

A variable that is not set is an error only for a command that needs the value: \`list\` works without the identity, and a
backup of one source without the password of another. Values of options marked *secret*, and contents of files, are redacted
in every message. Relative paths start at the folder of the configuration file.

Durations are whole numbers with a unit: \`30s\`, \`15m\`, \`12h\`, \`7d\`, \`2w\`, \`3mo\` (30 days each), \`1y\` (365 days), or several
as \`1h30m\`. Schedules are cron's five fields, in UTC.
`;

export function configurationPage(descriptors = DESCRIPTORS): string {
  const parts = [INTRODUCTION];
  describe("", "", rootOf(descriptors), undefined, parts);
  return `${parts.join("\n").trimEnd()}\n`;
}

/** `when`: the choice that the options depend on. */
function describe(path: string, when: string, shape: Shape, option: Option | undefined, parts: string[]): void {
  const section = sectionOf(shape);
  if (section === undefined) return;
  const name = path + placeholder(shape);
  const own = Object.assign({}, section.table, ...(section.groups ?? []).map((group) => group.table)) as OptionTable;
  parts.push(
    `## ${name === "" ? "Options" : `\`${name}\``}${when}\n`,
    ...(option === undefined ? [] : [`${option.help}\n`]),
    `${optionsOf(own)}\n`,
  );
  const inside = (table: OptionTable, depending: string): void => {
    for (const [key, inner] of Object.entries(table))
      describe(`${name === "" ? "" : `${name}.`}${key}`, depending, inner.type, inner, parts);
  };
  inside(own, when);
  for (const [chosen, { groups }] of Object.entries(section.choice?.between ?? {})) {
    const depending = ` with ${section.choice?.word} \`${chosen}\``;
    const table = Object.assign({}, ...groups.map((group) => group.table)) as OptionTable;
    parts.push(`## \`${name}\`${depending}\n`, `${optionsOf(table)}\n`);
    inside(table, depending);
  }
}

function sectionOf(shape: Shape): Section | undefined {
  if (shape.shape === "section") return shape;
  return shape.shape === "scalar" ? undefined : sectionOf(shape.item);
}

const placeholder = (shape: Shape): string => ({ named: ".NAME", list: "[]", section: "", scalar: "" })[shape.shape];

function optionsOf(options: OptionTable): string {
  return table(
    ["option", "value", "default", "what it does"],
    Object.entries(options).map(([key, option]) => [
      `\`${key}\`${option.required === true ? " (required)" : ""}`,
      option.type.word,
      [defaultOf(option), variables(option)].filter(Boolean).join("; "),
      [option.help, option.secret === true ? "*Secret.*" : "", option.example === undefined ? "" : `Example: \`${option.example}\``]
        .filter(Boolean)
        .join(" "),
    ]),
  );
}

function variables({ env }: Option): string {
  return env === undefined ? "" : `environment \`${env}\``;
}

function defaultOf(option: Option): string {
  const { default: given } = option;
  if (given === undefined || (typeof given === "object" && Object.keys(given as object).length === 0)) return "";
  return `\`${String(given)}\``;
}
