// One run of the command line: call, signals, result, failure, exit status.
import { resolve } from "node:path";
import { type Config, DEFAULT_FILE, loadConfig } from "../config/load.ts";
import { recordedCommand } from "../config/recorded-command.ts";
import { chmodHint } from "../config/secret-file.ts";
import { EXIT, LifeboatError } from "../core/errors.ts";
import { type HintNames, withNames } from "../core/hints.ts";
import { harmless, visibleJson } from "../core/visible.ts";
import { JobProgress } from "../operations/jobs/events.ts";
import { OPERATIONS } from "../operations/registry.ts";
import type { Events } from "../ports/progress.ts";
import { systemClock } from "../system-clock.ts";
import { readVersion } from "../version.ts";
import { makeAsk } from "./ask.ts";
import type { CommandCall, CommandEntry } from "./command.ts";
import { COMMANDS } from "./commands/index.ts";
import { describeFailure } from "./fatal.ts";
import { flush, harmlessOutput, type Output, outputOf } from "./output.ts";
import { type Invocation, parseArguments } from "./program.ts";
import { fold } from "./render/fold.ts";
import { makePaint, wantsColour } from "./render/paint.ts";
import { type ProgressPrinter, printProgress } from "./render/progress.ts";

export interface Surroundings {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether a person can be asked. */
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  /** As in `CommandCall`. Absent: there are no signals. */
  readonly onHangup?: CommandCall["onHangup"];
  readonly commands?: readonly CommandEntry[];
}

/** Runs the process's own command line, and ends the process. */
export async function runProcess(argv: readonly string[]): Promise<never> {
  const stop = new AbortController();
  let stopping = false;
  let hangup: (() => void) | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (name === "SIGHUP" && hangup !== undefined) return hangup();
      // A second signal ends at once: what is left behind is in the journal, and the next start cleans it up.
      if (stopping) process.exit(EXIT.cancelled);
      stopping = true;
      stop.abort(new LifeboatError("CANCELLED", `stopped by ${name}`));
    });
  }
  const stderr = outputOf(process.stderr);
  const around: Surroundings = {
    stdout: outputOf(process.stdout),
    stderr,
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
    onHangup(listener) {
      hangup = listener;
    },
  };
  const told = { json: wantsJson(argv), paint: makePaint(false), secrets: [] };
  const bug = async (error: unknown): Promise<never> => {
    const { text, exit } = describeFailure(error, told);
    stderr.write(text);
    return process.exit(exit);
  };
  process.on("uncaughtException", bug);
  process.on("unhandledRejection", bug);

  const exit = await run(argv, around);
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  // A result that did not arrive is a failure, also when all the work was done.
  const { failure } = around.stdout;
  if (failure === undefined) process.exit(exit);
  stderr.write(describeFailure(failure, told).text);
  await flush(process.stderr);
  process.exit(exit === EXIT.done ? failure.exit : exit);
}

/** Runs one command line to its end; never throws. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  const errorPaint = makePaint(wantsColour(around.stderr.isTerminal, around.env));
  let config: Config | undefined;
  let progress: ProgressPrinter | undefined;
  let invocation: Invocation | undefined;
  try {
    const parsed = await parseArguments({
      argv,
      env: around.env,
      version: readVersion(),
      columns: around.stdout.columns,
      ...(around.commands === undefined ? {} : { commands: around.commands }),
    });
    if ("answer" in parsed) {
      around.stdout.write(parsed.answer);
      return EXIT.done;
    }
    invocation = parsed;
    const { globals } = parsed;
    progress = printProgress({
      output: around.stderr,
      paint: errorPaint,
      monotonicMs: systemClock.monotonicMs,
      mode: globals.quiet || globals.json ? "silent" : around.stderr.isTerminal && around.env.TERM !== "dumb" ? "live" : "plain",
    });
    if (globals.job !== undefined && !(parsed.command in OPERATIONS))
      throw new LifeboatError("USAGE", `--job has no meaning beside ${parsed.command}, which runs no job`);
    const told = progress;
    const names = (): HintNames => namesOf(parsed, config);
    const call = makeContext(argv, parsed, around, progress, names, () => {
      if (config !== undefined) return config;
      config = loadConfig({ file: globals.config, env: around.env, cwd: around.cwd });
      if (config.exposed) noteTo(told.events, `${config.file} holds a secret and can be read by others: ${chmodHint(config.file)}`);
      return config;
    });
    const exit = await parsed.definition.run(call);
    progress.pause();
    return exit;
  } catch (error) {
    progress?.pause();
    const { text, exit } = describeFailure(error, {
      json: wantsJson(argv),
      paint: errorPaint,
      secrets: config?.secrets ?? [],
      names: namesOf(invocation, config),
      columns: around.stderr.isTerminal ? around.stderr.columns : undefined,
      cancelled: around.signal.aborted ? around.signal.reason : undefined,
    });
    around.stderr.write(text);
    return exit;
  }
}

/** A sentence outside of any job. */
const noteTo = (events: Events, message: string): void => new JobProgress(events, systemClock).note(message);

/** The source named, or the only one there is. */
function namesOf(invocation: Invocation | undefined, config: Config | undefined): HintNames {
  const { source, point } = invocation?.args ?? {};
  const [only, ...others] = Object.keys(config?.sources ?? {});
  return {
    command: invocation?.command,
    source: typeof source === "string" ? source : others.length === 0 ? only : undefined,
    point: typeof point === "string" ? point : undefined,
  };
}

function makeContext(
  argv: readonly string[],
  invocation: Invocation,
  around: Surroundings,
  progress: ProgressPrinter,
  names: () => HintNames,
  config: () => Config,
): CommandCall {
  const { globals } = invocation;
  return {
    commandLine: (secrets) => recordedCommand(argv, secrets, around.env),
    args: invocation.args,
    options: invocation.options,
    json: globals.json,
    quiet: globals.quiet,
    job: globals.job,
    config,
    configFile: resolve(around.cwd, globals.config ?? DEFAULT_FILE),
    emit(value, human) {
      progress.pause();
      const columns = around.stdout.isTerminal ? around.stdout.columns : undefined;
      const told = (): string => withNames(typeof human === "string" ? human : human(), names());
      const text = globals.json ? visibleJson(value) : harmless(fold(told(), columns));
      around.stdout.write(text.endsWith("\n") || text === "" ? text : `${text}\n`);
    },
    stdout: around.stdout,
    stderr: harmlessOutput(around.stderr),
    paint: makePaint(wantsColour(around.stdout.isTerminal, around.env)),
    events: progress.events,
    commands: around.commands ?? COMMANDS,
    ask: makeAsk(around.interactive && !globals.json, around.signal),
    env: around.env,
    cwd: around.cwd,
    clock: systemClock,
    signal: around.signal,
    onHangup: (listener) => around.onHangup?.(listener),
    reload: () => loadConfig({ file: globals.config, env: around.env, cwd: around.cwd }),
  };
}

/** Before anything is parsed, so that a mistake in the arguments is told in the form that was asked for. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end === -1 ? undefined : end).includes("--json");
}
