// Who works: this process, in a form that tells another process on the same machine whether it is still alive.
import { readFileSync, readlinkSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import * as z from "zod/mini";

export interface Owner {
  readonly user: string;
  readonly host: string;
  /** Boot and process namespace: pids mean something only where this is equal. */
  readonly machine: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot; guards against a reused pid. Empty where the system does not tell. */
  readonly startedTicks: string;
}

/** What a stored owner must be. Its texts are shown to people: they are bounded here and made safe by the renderer. */
export const ownerSchema = z.object({
  user: z.string().check(z.maxLength(256)),
  host: z.string().check(z.maxLength(256)),
  machine: z.string().check(z.maxLength(1024)),
  pid: z.int().check(z.positive()), // 0 and below would name a whole group of processes
  startedTicks: z.string().check(z.maxLength(32)),
});

const attempt = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return ""; // not Linux, or /proc is hidden: the lease's own expiry decides instead
  }
};

/** Fields 3 and 22 of /proc/<pid>/stat (proc(5)); the command's name may hold spaces and parentheses, so count from the last one. */
function processFacts(pid: number): { readonly state: string; readonly startedTicks: string } {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startedTicks: fields[19] ?? "" };
}

export function thisOwner(): Owner {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"));
  return {
    user: attempt(() => userInfo().username) || String(process.getuid?.() ?? "unknown"),
    host: hostname(),
    machine: `${hostname()} ${boot} ${namespace}`.trim(),
    pid: process.pid,
    startedTicks: processFacts(process.pid).startedTicks,
  };
}

/**
 * What is certain of the owner. Another machine's, or another boot's, is unknown; so is one on this machine whose start time the
 * system does not tell: a pid alone may have been given to another process.
 */
export function lifeOf(owner: Owner): "alive" | "dead" | "unknown" {
  if (owner.machine !== thisOwner().machine) return "unknown";
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "dead";
  }
  const { state, startedTicks } = processFacts(owner.pid);
  if (state === "Z" || state === "X") return "dead"; // ended, and its parent has not collected it yet
  if (startedTicks === "" || owner.startedTicks === "") return "unknown";
  return startedTicks === owner.startedTicks ? "alive" : "dead";
}
