// The owner of a job: this process, in a form that lets another process on the same machine tell whether it is still alive.
import { readFileSync, readlinkSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import * as z from "zod/mini";

export interface Owner {
  readonly user: string;
  readonly host: string;
  /** Boot and process namespace. Pids can be compared only where this is equal. */
  readonly machine: string;
  readonly pid: number;
  /** The start time of the process in clock ticks since boot, which detects a reused pid. Empty where the system does not report it. */
  readonly startedTicks: string;
}

/** The schema of a stored owner. Its texts are shown to people, so they are limited here and made safe by the renderer. */
export const ownerSchema = z.object({
  user: z.string().check(z.maxLength(256)),
  host: z.string().check(z.maxLength(256)),
  machine: z.string().check(z.maxLength(1024)),
  pid: z.int().check(z.positive()), // 0 and below mean a process group
  startedTicks: z.string().check(z.maxLength(32)),
});

const attempt = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return ""; // not Linux, or /proc is hidden: the expiry of the lease decides instead
  }
};

/** Fields 3 and 22 of /proc/<pid>/stat (proc(5)), counted from the last parenthesis, because the command name may contain some. */
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
 * Returns the certain state of the owner. Unknown for another machine or boot, and for a process on this machine without a start time,
 * because its pid may have been reused.
 */
export function lifeOf(owner: Owner): "alive" | "dead" | "unknown" {
  if (owner.machine !== thisOwner().machine) return "unknown";
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "dead";
  }
  const { state, startedTicks } = processFacts(owner.pid);
  if (state === "Z" || state === "X") return "dead"; // ended, and its parent has not waited for it yet
  if (startedTicks === "" || owner.startedTicks === "") return "unknown";
  return startedTicks === owner.startedTicks ? "alive" : "dead";
}
