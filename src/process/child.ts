// Runs a program with streams. It counts as done only when it has *closed* (exited, and every pipe of it drained) with status 0.
//
// Bytes come through the ordinary pipe of the runtime: reading 1.3 GB of zeros cost 0.2 s of user and 0.4 s of system time, and
// a socket read into one buffer of a megabyte cost as much (its reads came no larger).
import { type ChildProcess, spawn } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { LifeboatError } from "../core/errors.ts";

export interface ChildOptions {
  /** The whole environment of the child; nothing is added. Start from `baseEnvironment()`. */
  readonly env: Readonly<Record<string, string>>;
  /** Bytes for its standard input, or `pipe` to write to `child.stdin` oneself, or a file descriptor; absent: nothing. */
  readonly stdin?: "pipe" | number | undefined;
  /** `pipe` (default): read `child.stdout`. `ignore`: thrown away. A number: written straight to that file descriptor. */
  readonly stdout?: "pipe" | "ignore" | number | undefined;
  readonly cwd?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Ends the child: SIGTERM, then SIGKILL after the grace. */
  readonly signal?: AbortSignal | undefined;
  readonly graceMs?: number | undefined;
  /** Never shown, even if the child prints them. */
  readonly secrets?: readonly string[] | undefined;
  /** Hears standard error as it comes, unfiltered: for programs that report progress there. */
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined;
  /** How much the program collects before it writes, where that can be told (Linux with `stdbuf`): fewer, larger writes cost half. */
  readonly outputBufferBytes?: number | undefined;
  /**
   * What the kernel sends the child when we die without a chance to end it (Linux with `setpriv`). SIGTERM lets PostgreSQL's
   * programs cancel their queries and end their own workers. Elsewhere a child that writes to us dies of the closed pipe.
   */
  readonly parentDeathSignal?: "TERM" | "KILL" | "QUIT" | "INT" | undefined;
}

export interface Closed {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  readonly program: string;
  readonly stdin: NodeJS.WritableStream | null;
  /** Ends when the child closes its side: that alone says nothing about success; await `success()`. Empty when not piped. */
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves when the child has exited and its pipes are drained. Never rejects. */
  readonly closed: Promise<Closed>;
  /** The end of what it wrote to standard error, without secrets. */
  stderrTail(): string;
  /** Resolves when it closed with status 0; otherwise throws: the abort's reason if we ended it on request, else what `failure` makes. */
  success(failure?: (message: string, closed: Closed) => Error): Promise<void>;
  /** Ends it and everything of its process group, and waits until it is gone. Safe to call twice. */
  kill(): Promise<void>;
}

const STDERR_TAIL_CHARACTERS = 8 * 1024;
const DEFAULT_GRACE_MS = 5_000;

const onLinux = (...paths: string[]): string | undefined =>
  process.platform === "linux" ? paths.find((path) => existsSync(path)) : undefined;
/** Linux: gives a program's standard output a buffer of another size. */
const STDBUF = onLinux("/usr/bin/stdbuf", "/bin/stdbuf");
/** Linux: has the kernel end the child when its parent dies, however that happens. */
const SETPRIV = onLinux("/usr/bin/setpriv", "/bin/setpriv");

/**
 * Starts the program in a session of its own, so that Ctrl-C at a terminal reaches us and not it: we decide how it ends.
 * Throws TOOL_MISSING when it cannot be started at all.
 */
export async function startChild(program: string, args: readonly string[], options: ChildOptions): Promise<Child> {
  options.signal?.throwIfAborted();
  await mustBeExecutable(program);
  const wrapped = [
    ...(SETPRIV ? [SETPRIV, "--pdeathsig", options.parentDeathSignal ?? "TERM", "--"] : []),
    ...(STDBUF && options.outputBufferBytes ? [STDBUF, `--output=${options.outputBufferBytes}`] : []),
    program,
    ...args,
  ];
  const [file = program, ...argv] = wrapped; // each replaces itself by the next: it stays one process
  const process_ = spawn(file, argv, {
    env: options.env,
    stdio: [options.stdin ?? "ignore", options.stdout ?? "pipe", "pipe"],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  const tail = openTail(STDERR_TAIL_CHARACTERS, options.secrets ?? []);
  process_.stderr?.on("data", (chunk: Uint8Array) => {
    tail.write(chunk);
    options.onStderr?.(chunk);
  });
  const closed = new Promise<Closed>((resolve) => process_.once("close", (status, signal) => resolve({ status, signal })));
  // A child that closes its input early gives EPIPE here; how it ended says why, so its status is what is reported.
  process_.stdin?.on("error", () => {});
  await started(process_, program);
  const pid = process_.pid as number;

  let gone = false;
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ending ??= endGroup(pid, process_, closed, () => gone, options.graceMs ?? DEFAULT_GRACE_MS);
    return ending;
  };
  const onAbort = (): void => void end();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const settled = closed.then((how) => {
    gone = true;
    options.signal?.removeEventListener("abort", onAbort);
    return how;
  });
  if (options.signal?.aborted) void end();

  return {
    pid,
    program,
    stdin: process_.stdin,
    stdout: process_.stdout === null ? nothing() : bytesOf(process_.stdout, () => ending !== undefined, program, options.signal),
    closed: settled,
    stderrTail: () => tail.text(),
    async success(failure = (message) => new LifeboatError("TOOL_FAILED", message)) {
      const how = await settled;
      // A child that we ended ourselves may still find a way to exit 0; what was asked for is what is reported.
      if (options.signal?.aborted) throw options.signal.reason;
      if (how.status === 0 && how.signal === null && ending === undefined) return;
      throw failure(describeEnd(program, how, tail.text()), how);
    },
    kill: end,
  };
}

/** One sentence on how a program ended. Statuses above 128 are a shell's way to report a signal. */
export function describeEnd(program: string, how: Closed, stderr: string): string {
  const name = program.slice(program.lastIndexOf("/") + 1);
  const words = stderr === "" ? "; it left no message" : `: ${stderr}`;
  if (how.signal !== null) return `${name} was ended by ${how.signal}${words}`;
  if (how.status !== null && how.status > 128) return `${name} was ended by signal ${how.status - 128} (status ${how.status})${words}`;
  return `${name} ended with status ${how.status}${words}`;
}

function started(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      reject(new LifeboatError("TOOL_MISSING", `${program} cannot be started (${cause.message})`, { cause }));
    });
  });
}

/** With a launcher in between, a missing program would show as the launcher's failure. */
async function mustBeExecutable(program: string): Promise<void> {
  if (!program.includes("/")) return;
  try {
    await access(program, constants.X_OK);
  } catch (cause) {
    throw new LifeboatError("TOOL_MISSING", `${program} is not there, or is not a program that this user may run`, { cause });
  }
}

async function endGroup(pid: number, child: ChildProcess, closed: Promise<Closed>, isGone: () => boolean, graceMs: number): Promise<void> {
  if (isGone()) return;
  // The reader may be gone: without this the pipe would stay full, and what is buffered would keep it from closing.
  const drop = (): void => void child.stdout?.destroy();
  if (child.exitCode === null && child.signalCode === null) child.once("exit", drop);
  else drop();
  signalGroup(pid, "SIGTERM");
  const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
  await closed;
  clearTimeout(timer);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Already gone: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function* bytesOf(
  stream: Readable,
  ended: () => boolean,
  program: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    // We cut the stream ourselves: the reader is told why, not that a stream closed early.
    if (signal?.aborted) throw signal.reason;
    if (ended()) throw new LifeboatError("CANCELLED", `${program} was ended before its output did`, { cause: error });
    throw error;
  }
  // A stream that was cut may also just end; its reader must not take that for the whole.
  signal?.throwIfAborted();
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

// The last words of a child: a bounded tail of its standard error, with secrets taken out.

interface Tail {
  write(chunk: Uint8Array): void;
  /** The tail so far, trimmed; when something was cut off, it starts at the beginning of a line. */
  text(): string;
}

/** Keeps the last `limit` characters. Each of `secrets` is replaced wherever it appears, even across chunks. */
function openTail(limit: number, secrets: readonly string[]): Tail {
  const decoder = new StringDecoder("utf8");
  const hidden = secrets.filter((secret) => secret !== "").sort((a, b) => b.length - a.length);
  // Room for a secret that the cut would otherwise halve, and so hide from the replacement.
  const room = limit + 2 * Math.max(0, ...hidden.map((secret) => secret.length));
  let kept = "";
  let cut = false;
  return {
    write(chunk) {
      kept += decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (kept.length > 2 * room) {
        kept = kept.slice(-room);
        cut = true;
      }
    },
    text() {
      let text = kept;
      for (const secret of hidden) text = text.replaceAll(secret, "•••");
      const long = text.length > limit;
      if (long) text = text.slice(-limit);
      if ((cut || long) && text.includes("\n")) text = text.slice(text.indexOf("\n") + 1);
      return text.trim();
    },
  };
}
