// What a command is: its arguments and options as tables (parser, help and documentation come from them), and what it runs.
import type { Config } from "../config/load.ts";
import type { Option, Type, Values } from "../core/option.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/progress.ts";
import type { Ask } from "./ask.ts";
import type { Output } from "./output.ts";
import type { Paint } from "./render/paint.ts";

/** An option `--some-name`, from the key `someName`. Of type `flag` it takes no value; a list is written `A,B` or given several times. */
export interface CliOption extends Omit<Option, "env"> {
  /** Environment variable that gives the value when the command line says nothing. */
  readonly env?: string;
  /** What help calls the value: `NAME|URL`. Required except for flags. */
  readonly value?: string;
  /** A list that is given several times, and never split: its items may hold commas. */
  readonly whole?: true;
}

/** A positional argument; shown in capitals. A list takes all that follow, and must be the last. */
export interface CliArgument {
  readonly type: Type<unknown>;
  readonly help: string;
  readonly required?: true;
}

// biome-ignore lint/suspicious/noExplicitAny: tables hold values of every type
export type CliOptions = Readonly<Record<string, CliOption & { readonly type: Type<any> }>>;
// biome-ignore lint/suspicious/noExplicitAny: tables hold values of every type
export type CliArguments = Readonly<Record<string, CliArgument & { readonly type: Type<any> }>>;

export interface CommandCall<A extends CliArguments = CliArguments, O extends CliOptions = CliOptions> {
  /** The command line as it was typed, for the job's journal. `secrets` are those of the configuration: they are redacted. */
  commandLine(secrets: Iterable<string>): string;
  readonly args: Values<A>;
  readonly options: Values<O>;
  /** `--json` was given. */
  readonly json: boolean;
  readonly quiet: boolean;
  /** Id of the job, with `--job`. */
  readonly job: string | undefined;
  /** The configuration, loaded at the first call. Throws CONFIG_*, SECRET_MISSING. */
  config(): Config;
  /** Where the configuration is, or would be. */
  readonly configFile: string;
  /** The result: `value` as one line of JSON with `--json`, else the text for people. */
  emit(value: unknown, human: string | (() => string)): void;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Colours of standard output. */
  readonly paint: Paint;
  /** Where job events go: a live line, plain lines or nothing; paused by `emit` and at the end of the command. */
  readonly events: Events;
  /** Every command that there is. */
  readonly commands: readonly CommandEntry[];
  readonly ask: Ask;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  /** Aborts at SIGINT, SIGTERM or SIGHUP, with a CANCELLED error as the reason. */
  readonly signal: AbortSignal;
  /** From now on SIGHUP calls the listener, and does not abort. */
  onHangup(listener: () => void): void;
  /** Loads the configuration again. Throws CONFIG_*, SECRET_MISSING. */
  reload(): Config;
}

export interface CommandDefinition<A extends CliArguments = CliArguments, O extends CliOptions = CliOptions> {
  /** Paragraphs under the summary, for help and documentation. */
  readonly description?: string;
  readonly arguments: A;
  readonly options: O;
  /** Whether `--json` is offered. */
  readonly json: boolean;
  readonly examples?: readonly string[];
  /** Resolves to the exit status of the program: by the table of exit statuses, or that of a command which it ran. */
  run(call: CommandCall<A, O>): Promise<number>;
}

/** A command as the list of them names it. */
export interface CommandEntry {
  /** As typed; two words for a command of a command: `key new`. */
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  load(): Promise<CommandDefinition>;
}

/** `someName` → `some-name`. */
export const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Ties the types of the tables to `run`. */
export function defineCommand<const A extends CliArguments, const O extends CliOptions>(
  definition: CommandDefinition<A, O>,
): CommandDefinition {
  return definition as unknown as CommandDefinition;
}
