// A cell: namespaces in which a server runs whose data may hold foreign code. It sees a root of its own, built of what programs
// need (read-only), the directories it was given (writable), no network, no process but its own, and none of our secrets.
//
// Everything is done by util-linux (`unshare`, `mount`, `pivot_root`, `setpriv`, `prlimit`) and one small script, as an ordinary
// user where the system lets one, and as root where only root may. What comes after the script has no way back: another root, no
// capabilities, no new privileges. The script stays as the first process: when it ends, however, the kernel ends all others.
import { constants } from "node:fs";
import { access, lstat, readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { shellQuoted } from "../core/shell.ts";
import { type Child, startChild } from "./child.ts";
import { baseEnvironment } from "./environment.ts";
import { runProgram } from "./run.ts";
import type { ServerUser } from "./server-user.ts";

/** How cells are made here. `asRoot`: the kernel lets only root make namespaces; the server still runs as an ordinary user. */
export interface CellSupport {
  readonly unshare: string;
  readonly asRoot: boolean;
}

export interface CellPlan {
  readonly support: CellSupport;
  /** Who runs the program. */
  readonly user: ServerUser;
  /** An empty directory: the root of the cell is built on it. Outside, it stays empty. */
  readonly mountPoint: string;
  /** Directories that keep their paths. */
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  /**
   * The socket by which the program is reached from outside, in a directory of its own. As soon as it has its permissions (octal,
   * such as `600`, and not those with which it is made), the directory is read-only in the cell: otherwise code inside could replace
   * it by a link, which leads us to a server outside.
   */
  readonly socket?: { readonly path: string; readonly mode: string } | undefined;
  /** What the program is sent when we die. */
  readonly onParentDeath: "INT" | "KILL";
}

export interface Inmate {
  readonly child: Child;
  /** Of the cell's first process, as seen from outside. SIGINT and SIGQUIT are passed on to the program; SIGKILL ends the cell. */
  readonly pid: number;
  /** Resolves when the socket is there and cannot be replaced; never, when the program ends before. */
  readonly sealed: Promise<void>;
}

/** What evidence says of a server in a cell, and of one that is in none. */
export const ISOLATED = "isolated: no network, own processes and files";
export const NOT_ISOLATED = "not isolated";

const MIB = 1024 * 1024;
/** For one process: no honest build of an index takes more than the machine has. */
const MEMORY_BYTES = Math.max(4096 * MIB, totalmem());
/** Beyond those that this user runs already. */
const PROCESSES = 1024;

/** What programs need to run; what is not there is passed over. Each keeps its path; links stay links. */
const SYSTEM = [
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/libexec", "/usr/share"],
  ...["/usr/local/lib", "/usr/local/lib64", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["/etc/alternatives", "/var/cache/postgresql/dicts", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"],
];
/** Files of /etc that libraries read; none of them holds personal data. */
const FILES = ["ld.so.cache", "localtime", "ssl/openssl.cnf"];

/** Starts the program in a cell. Throws when the cell cannot be made, with the words of the tool that failed. */
export async function startInCell(
  plan: CellPlan,
  program: string,
  args: readonly string[],
  onStderr?: (chunk: Uint8Array) => void,
): Promise<Inmate> {
  const [unshare, ...given] = await commandOf(plan, program, args);
  const { support, user } = plan;
  const child = await startChild(unshare, given, {
    // As root we become the ordinary user first: then one way serves both.
    ...(support.asRoot || process.getuid?.() !== 0 ? {} : user),
    cwd: "/",
    env: cellEnvironment(),
    ...(onStderr === undefined ? {} : { onStderr }),
    parentDeathSignal: "KILL",
  });
  const lines = createInterface({ input: Readable.from(child.stdout) });
  const heard = new Map<string, () => void>();
  const once = (word: string): Promise<void> => new Promise((resolve) => heard.set(word, resolve));
  let pid = 0;
  const [entered, sealed] = [once("entered"), once("sealed")];
  lines.on("line", (line) => {
    if (pid === 0) pid = Number(line);
    else heard.get(line)?.();
  });
  lines.on("error", () => {}); // the end of the child says more
  const how = await Promise.race([entered, child.closed]);
  if (how !== undefined) throw new Error(child.stderrTail() || `unshare ended with status ${how.status ?? how.signal}`);
  return { child, pid, sealed };
}

let known: { readonly key: string; readonly support: Promise<CellSupport | { readonly missing: string }> } | undefined;

/** Whether cells can be made here, by making one; or why not, in words. Asked once for each user. */
export function cellSupport(user: ServerUser): Promise<CellSupport | { readonly missing: string }> {
  const key = JSON.stringify([user, process.env.PATH]);
  if (known?.key !== key) known = { key, support: probe(user) };
  return known.support;
}

async function probe(user: ServerUser): Promise<CellSupport | { readonly missing: string }> {
  if (process.platform !== "linux") return { missing: `${process.platform} has no namespaces` };
  const unshare = await findProgram("unshare");
  if (unshare === undefined) return { missing: "there is no program unshare (util-linux)" };
  let missing = "";
  for (const asRoot of process.getuid?.() === 0 ? [false, true] : [false]) {
    const support = { unshare, asRoot };
    try {
      const plan: CellPlan = { support, user, mountPoint: tmpdir(), readOnly: [], writable: [], onParentDeath: "KILL" };
      const [program, ...args] = await commandOf(plan, "true", []);
      const { status, end } = await runProgram(program, args, {
        ...(asRoot || process.getuid?.() !== 0 ? {} : user),
        cwd: "/",
        env: cellEnvironment(),
        timeoutMs: 20_000,
      });
      if (status === 0) return support;
      missing ||= end.replaceAll(/\s+/g, " ");
    } catch (error) {
      missing ||= error instanceof Error ? error.message : String(error);
    }
  }
  return { missing };
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? "").split(delimiter).filter((one) => one.startsWith("/"))) {
    const path = join(directory, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** What the programs inside are told of us: nothing. */
function cellEnvironment(): Record<string, string> {
  const { LC_ALL = "C", TZ, LD_LIBRARY_PATH } = baseEnvironment();
  return {
    ...{ PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/tmp", LC_ALL },
    ...(TZ === undefined ? {} : { TZ }),
    ...(LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH }),
  };
}

async function commandOf(plan: CellPlan, program: string, args: readonly string[]): Promise<[string, ...string[]]> {
  const { support, onParentDeath } = plan;
  const spaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", `--kill-child=${onParentDeath}`];
  return [
    support.unshare,
    ...(support.asRoot ? [] : ["--user", "--map-root-user"]),
    ...spaces,
    ...["--", "/bin/sh", "-c", await scriptOf(plan), "cell", program, ...args],
  ];
}

/** Builds the root, moves into it, lets go of everything, starts the program, and waits for it. */
async function scriptOf({ support, user, mountPoint, readOnly, writable, socket }: CellPlan): Promise<string> {
  const { uid, gid } = user;
  const limits = `prlimit --core=0 --as=${MEMORY_BYTES} --nproc=${(await processesOf(uid)) + PROCESSES}`;
  const become = support.asRoot
    ? `${limits} setpriv --reuid ${uid} --regid ${gid} --clear-groups --no-new-privs --bounding-set -all --inh-caps -all --`
    : `unshare --user --map-user=${uid} --map-group=${gid} -- ${limits} setpriv --no-new-privs --`;
  const places = [...SYSTEM, ...readOnly];
  return [
    "set -eu",
    "umask 022",
    // The host's /proc, for the last time: how we are called outside.
    "read -r pid rest </proc/self/stat",
    'echo "$pid"',
    // The kernel ends the cell first when memory is short.
    "echo 1000 >/proc/self/oom_score_adj",
    // One more: the one in which the program runs. Code inside makes none, and so gets no capabilities in one of its own.
    ...(support.asRoot ? [] : ["echo 1 2>/dev/null >/proc/sys/user/max_user_namespaces || :"]),
    `mount -t tmpfs -o mode=755,size=8m,nosuid,nodev cell ${shellQuoted(mountPoint)}`,
    `cd ${shellQuoted(mountPoint)}`,
    "mkdir -p dev/shm etc/ssl proc tmp .outside",
    `mount -t tmpfs -o mode=1777,size=25%,nosuid,nodev,noexec shm dev/shm`,
    `mount -t tmpfs -o mode=1777,size=25%,nosuid,nodev,noexec tmp tmp`,
    ...["null", "zero", "random", "urandom"].flatMap((name) => [`: >dev/${name}`, `mount --bind /dev/${name} dev/${name}`]),
    ...FILES.map((name) => `cp /etc/${name} etc/${name} 2>/dev/null || :`),
    `echo 'server:x:${uid}:${gid}::/tmp:/bin/false' >etc/passwd`,
    `echo 'server:x:${gid}:' >etc/group`,
    ...(await Promise.all(places.map(readOnlyLines))).flat(),
    ...[...writable, ...(socket === undefined ? [] : [dirname(socket.path)])].flatMap((path) => [
      `mkdir -p ${shellQuoted(`.${path}`)}`,
      `mount --rbind ${shellQuoted(path)} ${shellQuoted(`.${path}`)}`,
    ]),
    // Some containers forbid it; servers do without.
    "mount -t proc -o nosuid,nodev,noexec proc proc 2>/dev/null || :",
    "pivot_root . .outside",
    "cd /",
    "umount -l /.outside",
    "rmdir /.outside",
    "mount -o remount,bind,ro,nosuid,nodev /",
    "echo entered",
    `${become} "$@" >/dev/null &`,
    "server=$!",
    ...(socket === undefined ? [] : [sealing(socket)]),
    `for signal in INT QUIT; do trap "again=1; kill -$signal $server" $signal; done`,
    "again=1",
    // A signal ends the waiting, not the program.
    'while [ $again = 1 ]; do again=0; wait "$server" && status=0 || status=$?; done',
    "exit $status",
  ].join("\n");
}

// A server makes the socket and then sets its permissions: the directory must stay writable until both are done.
const sealing = ({ path, mode }: NonNullable<CellPlan["socket"]>): string => `{
  until [ -S ${shellQuoted(path)} ] && [ "$(stat -c %a ${shellQuoted(path)})" = ${mode} ]; do sleep 0.02; done
  mount -o remount,bind,ro,nosuid,nodev,noexec ${shellQuoted(dirname(path))} && echo sealed || kill -KILL "$server"
} &`;

async function readOnlyLines(path: string): Promise<string[]> {
  const facts = await lstat(path).catch(() => undefined);
  if (facts === undefined) return [];
  const inside = shellQuoted(`.${path}`);
  const above = `mkdir -p ${shellQuoted(`.${dirname(path)}`)}`;
  if (facts.isSymbolicLink()) return [above, `ln -s ${shellQuoted(await readlink(path))} ${inside}`];
  // Those mounted below it would stay writable.
  const below = await mountsBelow(await realpath(path));
  return [
    `mkdir -p ${inside}`,
    `mount -o rbind,ro,nosuid,nodev ${shellQuoted(path)} ${inside}`,
    ...below.map(({ path, noexec }) => `mount -o remount,bind,ro,nosuid,nodev${noexec ? ",noexec" : ""} ${shellQuoted(`.${path}`)}`),
  ];
}

async function mountsBelow(path: string): Promise<{ readonly path: string; readonly noexec: boolean }[]> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").flatMap((line) => {
    const [, , , , place, options] = line.split(" ");
    if (place === undefined || options === undefined) return [];
    const plain = place.replaceAll(/\\(\d{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    return [{ path: plain, noexec: options.split(",").includes("noexec") }];
  });
  return mounts.filter((mount) => mount.path.startsWith(`${path}/`));
}

/** The limit counts all of a user's processes, those outside too. */
async function processesOf(uid: number): Promise<number> {
  const numbers = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const owners = await Promise.all(numbers.map(async (pid) => (await stat(`/proc/${pid}`).catch(() => undefined))?.uid));
  return owners.filter((owner) => owner === uid).length;
}

/** Directories of programs that do not lie where the system keeps its own: beside them, what they load. */
export async function placesOfProgram(directory: string): Promise<string[]> {
  const real = await realpath(directory);
  const all = [directory, real].flatMap((bin) => [bin, ...["lib", "lib64", "share"].map((name) => join(bin, "..", name))]);
  const outside = [...new Set(all)].filter((path) => !SYSTEM.some((place) => path === place || path.startsWith(`${place}/`)));
  const there = await Promise.all(outside.map(async (path) => ((await stat(path).catch(() => undefined))?.isDirectory() ? [path] : [])));
  return there.flat();
}
