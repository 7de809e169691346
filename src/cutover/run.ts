// Programs that a cut-over runs. A value reaches one through its standard input, never through its arguments.
import { LifeboatError } from "../core/errors.ts";
import { visible } from "../core/visible.ts";
import type { Work } from "../ports/connection.ts";
import { startChild } from "../process/child.ts";
import { baseEnvironment } from "../process/environment.ts";
import { clean } from "./http.ts";

export interface RunOrder {
  readonly argv: readonly string[];
  readonly stdin?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly pass?: readonly string[] | undefined;
  readonly timeoutMs: number;
  readonly secrets: readonly string[];
}

const MOST_OUTPUT_BYTES = 1024 * 1024;

/** Runs the program and returns its standard output. CUTOVER_REFUSED unless it ends with status 0 in time. TOOL_MISSING. */
export async function runCommand(name: string, order: RunOrder, { signal }: Work = {}): Promise<string> {
  const [program = "", ...args] = order.argv;
  const subject = `cut-over "${visible(name)}"`;
  const late = new AbortController();
  const refused = (message: string) => new LifeboatError("CUTOVER_REFUSED", `${subject}: ${clean(message, order.secrets)}`);
  const timer = setTimeout(() => late.abort(refused(`${program} did not end within ${order.timeoutMs / 1000} s`)), order.timeoutMs);
  const passed = (order.pass ?? []).flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]] as const]));
  try {
    const child = await startChild(program, args, {
      env: { ...baseEnvironment(), ...Object.fromEntries(passed), ...order.env },
      stdin: order.stdin === undefined ? undefined : "pipe",
      secrets: order.secrets,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      graceMs: 2_000,
    });
    if (order.stdin !== undefined) child.stdin?.end(order.stdin);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of child.stdout) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes <= MOST_OUTPUT_BYTES) chunks.push(chunk);
    }
    await child.success(refused);
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    clearTimeout(timer);
  }
}
