// The starter's side of a supervisor: starts it, gives it its order, and waits for its answer.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LifeboatError } from "../../../core/errors.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import type { SupervisorAnswer, SupervisorOrder } from "./protocol.ts";

// Runs from source and from the compiled package alike.
const OWN = new URL(import.meta.url.endsWith(".ts") ? "./supervisor.ts" : "./supervisor.js", import.meta.url);

/** `script`: another supervisor, which is spoken to in the same way. */
export function startSupervisor(script: URL = OWN): ChildProcess {
  const supervisor = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", fileURLToPath(script)], {
    env: baseEnvironment(),
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
    cwd: "/",
  });
  // It must not keep us alive: when we end, its input ends, and so does the cluster.
  supervisor.unref();
  for (const stream of [supervisor.stdin, supervisor.stdout]) (stream as unknown as { unref(): void }).unref();
  supervisor.stdin.on("error", () => {});
  return supervisor;
}

export async function order<Order = SupervisorOrder>(supervisor: ChildProcess, message: Order): Promise<SupervisorAnswer> {
  const { stdin, stdout } = supervisor;
  if (!stdin || !stdout) throw new LifeboatError("SCRATCH_FAILED", "the supervisor of a cluster cannot be started");
  const answer = new Promise<SupervisorAnswer>((resolve) => {
    const lines = createInterface({ input: stdout });
    lines.once("line", (line) => resolve(JSON.parse(line) as SupervisorAnswer));
    supervisor.once("error", (error) => resolve({ ready: false, message: error.message }));
    supervisor.once("exit", (status, signal) =>
      resolve({ ready: false, message: `its supervisor ended early (${signal ?? `status ${status}`})` }),
    );
  });
  stdin.write(`${JSON.stringify(message)}\n`);
  // The event loop has nothing else to wait for while the supervisor works (its pipes do not count).
  const awake = setInterval(() => {}, 1_000);
  try {
    return await answer;
  } finally {
    clearInterval(awake);
  }
}
