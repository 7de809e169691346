// Runs a real command inside the demonstration: the printed command line is made from the arguments that it is run with, and
// the output is the command's own.
import { loadConfig } from "../../config/load.ts";
import type { Values } from "../../core/option.ts";
import { harmless } from "../../core/visible.ts";
import { JobProgress } from "../../operations/jobs/events.ts";
import type { Events, Progress } from "../../ports/progress.ts";
import { makeAsk } from "../ask.ts";
import type { CliArguments, CliOptions, CommandCall, CommandDefinition } from "../command.ts";
import type { Output } from "../output.ts";
import { makePaint, wantsColour } from "../render/paint.ts";
import { printProgress } from "../render/progress.ts";
import { INDENT, type Stage } from "./stage.ts";

export interface DemoProgress extends Pick<Progress, "step" | "note"> {
  readonly events: Events;
  /** Ends the live line. */
  end(): void;
}

/** What all commands of a demonstration share. */
export interface Surroundings {
  /** Of the `demo` command itself. */
  readonly call: CommandCall;
  readonly stage: Stage;
  readonly progress: DemoProgress;
  /** Working directory, with the configuration in it. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Given {
  readonly args?: Readonly<Record<string, string>>;
  /** By the keys of the command's table; `true` for a flag. */
  readonly options?: Readonly<Record<string, string | true>>;
}

export interface Performed {
  /** As typed. */
  readonly command: string;
  readonly status: number;
  readonly ms: number;
  /** What the command gives with `--json`. */
  readonly value: unknown;
}

/** Prints the command, runs it, prints what it prints. Throws what it throws. */
export async function perform(around: Surroundings, name: string, definition: CommandDefinition, given: Given = {}): Promise<Performed> {
  const command = commandLine(name, given);
  around.stage.command(command);
  const performed = await run(around, command, definition, given, (text) => around.stage.show(text));
  around.stage.show("");
  return performed;
}

/** Only the value, nothing printed. */
export async function ask(around: Surroundings, definition: CommandDefinition, given: Given = {}): Promise<unknown> {
  return (await run(around, "", definition, given, () => {})).value;
}

async function run(
  around: Surroundings,
  command: string,
  definition: CommandDefinition,
  given: Given,
  print: (text: string) => void,
): Promise<Performed> {
  const { call, stage, progress, cwd, env } = around;
  const configFile = `${cwd}/lifeboat.yaml`;
  let value: unknown;
  const stdout: Output = { write: print, isTerminal: stage.isTerminal, columns: stage.columns };
  const beganMs = call.clock.monotonicMs();
  const status = await definition.run({
    commandLine: () => command,
    args: withDefaults(definition.arguments, given.args),
    options: withDefaults(definition.options, given.options),
    json: false,
    quiet: call.quiet,
    job: undefined,
    config: () => loadConfig({ file: configFile, env, cwd }),
    configFile,
    emit(result, human) {
      progress.end(); // what follows begins a line of its own
      value = result;
      print(harmless(typeof human === "string" ? human : human()));
    },
    stdout,
    stderr: call.stderr,
    paint: stage.paint,
    events: progress.events,
    commands: call.commands,
    ask: makeAsk(false, call.signal),
    env,
    cwd,
    clock: call.clock,
    signal: call.signal,
    onHangup: call.onHangup,
    reload: call.reload,
  });
  progress.end();
  return { command, status, ms: Math.round(call.clock.monotonicMs() - beganMs), value };
}

function withDefaults(table: CliArguments | CliOptions, given: Readonly<Record<string, string | true>> = {}): Values<CliOptions> {
  return Object.fromEntries(
    Object.entries(table).map(([key, option]) => [key, given[key] ?? ("default" in option ? option.default : undefined)]),
  );
}

const dashed = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function commandLine(name: string, { args = {}, options = {} }: Given): string {
  const quoted = (word: string): string => (/^[\w./:@=+-]+$/.test(word) ? word : JSON.stringify(word));
  return [
    "lifeboat",
    name,
    ...Object.values(args).map(quoted),
    ...Object.entries(options).map(([key, word]) => (word === true ? dashed(key) : `${dashed(key)} ${quoted(word)}`)),
  ].join(" ");
}

/** On a terminal the steps as they come, indented; in a log the notes alone. */
export function demoProgress(call: CommandCall): DemoProgress {
  const { stderr, env, clock, json, quiet } = call;
  const live = stderr.isTerminal && env.TERM !== "dumb";
  // A live line begins by clearing itself: behind that it is moved under its heading.
  const output: Output = {
    write: (text) => stderr.write(live ? text.replaceAll("\x1b[2K", `\x1b[2K${INDENT}`) : text),
    isTerminal: stderr.isTerminal,
    get columns() {
      return stderr.columns - INDENT.length;
    },
  };
  const mode = quiet || json ? "silent" : live ? "live" : "plain";
  const paint = makePaint(wantsColour(stderr.isTerminal, env));
  const printer = printProgress({ output, paint, monotonicMs: clock.monotonicMs, mode });
  return progressOn(mode === "plain" ? only("note", printer.events) : printer.events, call, printer.pause);
}

const only =
  (type: "note" | "others", events: Events): Events =>
  (event) => {
    if ((event.type === "note") === (type === "note")) events(event);
  };

/** The same without sentences for the user. */
export const withoutNotes = (progress: DemoProgress, call: CommandCall): DemoProgress =>
  progressOn(only("others", progress.events), call, progress.end);

function progressOn(events: Events, { clock }: CommandCall, end: () => void): DemoProgress {
  const own = new JobProgress(events, clock);
  return { events, end, step: (name) => own.step(name), note: (message) => own.note(message) };
}
