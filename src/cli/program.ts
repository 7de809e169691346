// The command line as a whole: finds the command, loads that one only, parses with commander, reports misuse in our own form.
import { resolve } from "node:path";
import { Command, CommanderError, Option as CommanderOption } from "commander";
import { LifeboatError } from "../core/errors.ts";
import { Mismatch, type Shape, type Values } from "../core/option.ts";
import { didYouMean } from "../core/suggest.ts";
import {
  type CliArgument,
  type CliArguments,
  type CliOption,
  type CliOptions,
  type CommandDefinition,
  type CommandEntry,
  kebab,
} from "./command.ts";
import { COMMANDS } from "./commands/index.ts";

export interface Invocation {
  /** As typed: `key new`. */
  readonly command: string;
  readonly definition: CommandDefinition;
  readonly args: Values<CliArguments>;
  readonly options: Values<CliOptions>;
  readonly globals: {
    readonly config?: string | undefined;
    readonly job?: string | undefined;
    readonly quiet: boolean;
    readonly json: boolean;
  };
}

export interface ParseRequest {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly columns: number;
  readonly commands?: readonly CommandEntry[];
}

/** Help or the version was asked for, and this is it. */
export interface Answer {
  readonly answer: string;
}

/** What the arguments ask for. Throws USAGE. */
export async function parseArguments(request: ParseRequest): Promise<Invocation | Answer> {
  const entries = request.commands ?? COMMANDS;
  const wanted = await loadWanted(request.argv, entries);
  let invocation: Invocation | undefined;
  let answer = "";
  const program = buildProgram(entries, request, (text) => {
    answer += text;
  });
  for (const [entry, definition] of wanted) {
    const command = findCommand(program, entry.name);
    describeCommand(command, definition);
    command.action(() => {
      const globals = program.opts<{ config?: string; job?: string; quiet?: boolean }>();
      invocation = {
        command: entry.name,
        definition,
        args: readArguments(command, definition.arguments),
        options: readOptions(command, definition.options, request.env),
        globals: {
          config: globals.config ?? request.env.LIFEBOAT_CONFIG,
          job: globals.job,
          quiet: globals.quiet === true,
          json: command.optsWithGlobals().json === true,
        },
      };
    });
  }
  try {
    const argv = helpLast(request.argv);
    refuseUnknown(argv, entries);
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { answer };
    throw usageError(error, answer);
  }
  if (invocation === undefined) throw new LifeboatError("USAGE", "no command was given");
  return invocation;
}

/** `help key new` as `key new --help`: commander's own help knows one word only. */
function helpLast(argv: readonly string[]): string[] {
  const [first, second] = wordsOf(argv);
  return first === "help" && second !== undefined ? [...argv.toSpliced(argv.indexOf("help"), 1), "--help"] : [...argv];
}

/** Refuses the help of an unknown command. USAGE with the nearest name. */
function refuseUnknown(argv: readonly string[], entries: readonly CommandEntry[]): void {
  const [first] = wordsOf(argv);
  const names = [...new Set(entries.map(({ name }) => name.split(" ")[0] ?? ""))];
  if (first === undefined || first === "help" || names.includes(first)) return;
  throw new LifeboatError("USAGE", `unknown command "${first}"${didYouMean(first, names)}`);
}

/** What is not an option: the command, and what may belong to its name. */
function wordsOf(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (let index = 0; index < argv.length && words.length < 3; index++) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    if (word === "--config" || word === "--job") index += 1;
    else if (!word.startsWith("-")) words.push(word);
  }
  return words;
}

/** The definitions that these arguments may need: the command named and those below it. */
async function loadWanted(argv: readonly string[], entries: readonly CommandEntry[]): Promise<[CommandEntry, CommandDefinition][]> {
  const words = wordsOf(argv);
  if (words[0] === "help") words.shift();
  const names = new Set([words[0], words.slice(0, 2).join(" ")]);
  const wanted = entries.filter((entry) => names.has(entry.name));
  return Promise.all(wanted.map(async (entry): Promise<[CommandEntry, CommandDefinition]> => [entry, await entry.load()]));
}

function buildProgram(entries: readonly CommandEntry[], request: ParseRequest, write: (text: string) => void): Command {
  const program = settle(new Command("lifeboat"), request, write)
    .description("Database backups that are proven to restore.")
    .version(request.version, "-V, --version", "print the version")
    .option("--config <FILE>", "configuration file (LIFEBOAT_CONFIG; default lifeboat.yaml)")
    .option("--job <ID>", "id of the job, given by the caller; of commands that run one job")
    .option("--quiet", "no progress; only results and errors")
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [COMMAND]", "show the help of a command");
  for (const { name, group, summary } of entries) {
    const [first = "", second] = name.split(" ");
    const parent = program.commands.find((command) => command.name() === first);
    if (second === undefined) settle(program.command(first).summary(summary).description(summary).helpGroup(group), request, write);
    else {
      const below = entries.filter((entry) => entry.name.startsWith(`${first} `)).map((entry) => entry.name.slice(first.length + 1));
      const holder =
        parent ??
        settle(
          program
            .command(first)
            .summary(`${summary} (${below.join(", ")})`)
            .helpGroup(group),
          request,
          write,
        );
      settle(holder.command(second).summary(summary).description(summary), request, write);
    }
  }
  return program;
}

/** Errors and help come back to us instead of leaving the process. */
function settle(command: Command, request: ParseRequest, write: (text: string) => void): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpOption("-h, --help", "show this help")
    .configureHelp({ showGlobalOptions: true, helpWidth: request.columns })
    .configureOutput({
      writeOut: write,
      writeErr: write,
      outputError() {},
      getOutHelpWidth: () => request.columns,
      getErrHelpWidth: () => request.columns,
    });
}

function findCommand(program: Command, name: string): Command {
  let command = program;
  for (const word of name.split(" ")) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) throw new TypeError(`no command ${name}`);
    command = next;
  }
  return command;
}

function describeCommand(command: Command, definition: CommandDefinition): void {
  if (definition.description !== undefined) command.description(`${command.summary()}.\n\n${definition.description}`);
  for (const [key, argument] of Object.entries(definition.arguments)) command.argument(argumentFlags(key, argument), argument.help);
  for (const [key, option] of Object.entries(definition.options)) command.addOption(commanderOption(key, option));
  if (definition.json) command.option("--json", "print the result as JSON; errors as JSON on standard error; no progress");
  if (definition.examples !== undefined)
    command.addHelpText("after", `\nExamples:\n${definition.examples.map((line) => `  ${line}`).join("\n")}`);
}

const isFlag = (option: CliOption): boolean => option.type.word === "true or false";

export function argumentFlags(key: string, argument: CliArgument): string {
  const name = `${kebab(key).toUpperCase()}${argument.type.shape === "list" ? "..." : ""}`;
  return argument.required === true ? `<${name}>` : `[${name}]`;
}

export function optionFlags(key: string, option: CliOption): string {
  return isFlag(option) ? `--${kebab(key)}` : `--${kebab(key)} <${option.value ?? option.type.word}>`;
}

/** The words that an option may be, as the end of its help; empty where it may be anything. */
export function wordsOfOption({ type }: CliOption): string {
  const words = type.shape === "scalar" ? type.json.enum : undefined;
  return Array.isArray(words) ? ` One of ${words.join(", ")}.` : "";
}

function commanderOption(key: string, option: CliOption): CommanderOption {
  const extra = [
    option.env,
    option.default === undefined || option.default === false ? undefined : `default ${String(option.default)}`,
  ].filter(Boolean);
  const made = new CommanderOption(
    optionFlags(key, option),
    `${option.help}${extra.length > 0 ? ` (${extra.join("; ")})` : ""}${wordsOfOption(option)}`,
  );
  return option.type.shape === "list" ? made.argParser((value, before: string[] | undefined) => [...(before ?? []), value]) : made;
}

function readArguments(command: Command, table: CliArguments): Values<CliArguments> {
  return Object.fromEntries(
    Object.entries(table).map(([key, argument], index) => [
      key,
      readCliValue(argument.type, command.processedArgs[index], (why) => usage(command, `${kebab(key).toUpperCase()} ${why}`), WORDS),
    ]),
  );
}

function readOptions(command: Command, table: CliOptions, env: ParseRequest["env"]): Values<CliOptions> {
  const given = command.opts<Record<string, unknown>>();
  return Object.fromEntries(
    Object.entries(table).map(([key, option]) => {
      const raw = given[key] ?? (option.env === undefined ? undefined : env[option.env] || undefined) ?? option.default;
      if (raw === undefined && option.required === true) throw usage(command, `--${kebab(key)} is required`);
      const split = option.whole === true ? WORDS : splitList;
      return [option.as ?? key, readCliValue(option.type, raw, (why) => usage(command, `--${kebab(key)} ${why}`), split)];
    }),
  );
}

const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`);

const usage = (command: Command, message: string): LifeboatError =>
  new LifeboatError("USAGE", message, { hint: `run \`${pathOf(command)} --help\`` });

/** commander's message as ours: no prefix, the suggestion as the end of the sentence. */
function usageError(error: CommanderError, help: string): LifeboatError {
  if (error.code === "commander.help") {
    return new LifeboatError("USAGE", "say which command", { details: { help: help.trimEnd() } });
  }
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (.+)\?\)$/s, (_, word: string) => `; did you mean "${word}"?`)
    .replaceAll("'", '"');
  return new LifeboatError("USAGE", message, { cause: undefined });
}

/** Of positional arguments, and of options that are `whole`, each word is one item: a comma may be part of it. */
const WORDS = (word: string): string[] => [word];

/** What was typed, as its type reads it. Lists are written `A,B`, or given several times. `refuse` makes the error from the rest of the sentence. */
function readCliValue(shape: Shape, raw: unknown, refuse: (why: string) => LifeboatError, split: typeof splitList): unknown {
  if (raw === undefined) return undefined;
  if (shape.shape === "list") {
    const words = (Array.isArray(raw) ? raw : [raw]).flatMap((word) => split(String(word)));
    return words.map((word) => readCliValue(shape.item, word, refuse, split));
  }
  if (shape.shape !== "scalar") throw new TypeError("options and arguments are single values or lists");
  try {
    return shape.read(raw as string | number | boolean, (path) => resolve(path));
  } catch (error) {
    if (error instanceof Mismatch) throw refuse(error.message);
    throw error;
  }
}

/** At commas, but not at those inside of double quotes: `a,"odd,name".t`. */
function splitList(text: string): string[] {
  return (text.match(/(?:"[^"]*"|[^",])+/g) ?? []).map((word) => word.trim()).filter((word) => word !== "");
}
