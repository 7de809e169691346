// Runs a short program to its end and gives its output as text: `--version`, `initdb`, `id -u`.
import { LifeboatError } from "../core/errors.ts";
import { type ChildOptions, describeEnd, startChild } from "./child.ts";

export interface RunOptions extends Omit<ChildOptions, "stdin" | "stdout"> {
  readonly timeoutMs: number;
  /** More output than this is an error: nothing here is meant for large answers. */
  readonly maxOutputBytes?: number;
}

export interface RunResult {
  readonly status: number | null;
  readonly stdout: string;
  /** Empty when it succeeded in silence. */
  readonly stderr: string;
  /** How it ended, in one sentence, for messages. */
  readonly end: string;
}

/** Resolves however the program ended. Throws TOOL_MISSING when it cannot be started, TOOL_FAILED when it outlives its deadline, or the abort's reason. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new LifeboatError("TOOL_FAILED", `${program} did not end within ${options.timeoutMs / 1000} s`));
  }, options.timeoutMs);
  try {
    const signal = options.signal === undefined ? late.signal : AbortSignal.any([options.signal, late.signal]);
    return await runToEnd(program, args, { ...options, signal });
  } finally {
    clearTimeout(timer);
  }
}

async function runToEnd(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = await startChild(program, args, { graceMs: 1_000, ...options });
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of child.stdout) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes <= (options.maxOutputBytes ?? 1024 * 1024)) chunks.push(chunk);
  }
  const how = await child.closed;
  options.signal?.throwIfAborted();
  return {
    status: how.signal === null ? how.status : null,
    stdout: Buffer.concat(chunks).toString("utf8"),
    stderr: child.stderrTail(),
    end: describeEnd(program, how, child.stderrTail()),
  };
}
