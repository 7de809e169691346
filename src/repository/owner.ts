// Who works: this process, in a form that tells another process on the same machine whether it is still alive.
import { readFileSync, readlinkSync } from "node:fs";
import { hostname, userInfo } from "node:os";

export interface Owner {
  readonly user: string;
  readonly host: string;
  /** Boot and process namespace: pids mean something only where this is equal. */
  readonly machine: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot; guards against a reused pid. Empty where the system does not tell. */
  readonly startedTicks: string;
}

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

/** True only when the owner is certainly dead: same machine, and no such process any more. */
export function isCertainlyDead(owner: Owner): boolean {
  if (owner.machine !== thisOwner().machine) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  const { state, startedTicks } = processFacts(owner.pid);
  if (state === "Z" || state === "X") return true; // ended, and nobody has collected it yet
  return startedTicks !== "" && owner.startedTicks !== "" && startedTicks !== owner.startedTicks;
}
