// Runs the tests: `npm test [-- WORDS] [--node-options]`, `--campaign faults` for the long ones.
// Words choose files whose path contains one of them. Afterwards no process and no temporary file of the tests may be left.
// `--within MINUTES` begins no file after that time and names those that are left. The day draws the order, so that the runs of
// other days begin other files.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../tools/program.ts";

const SUITES: Readonly<Record<string, readonly string[]>> = {
  tests: ["test/{e2e,integration,contract,support}/**/*.test.ts", "test/*.test.ts", "tools/**/*.test.ts", "src/**/*.test.ts"],
  recovery: ["test/recovery/**/*.test.ts"],
  journeys: ["test/journeys/**/*.test.ts"],
  emulators: ["packages/sandbox/**/*.test.ts", "test/emulators/**/*.test.ts"],
  attacks: ["test/attacks/**/*.test.ts"],
  faults: ["test/faults/**/*.test.ts"],
  peers: ["test/peers/**/*.test.ts"],
  calendar: ["test/calendar/**/*.test.ts"],
};
/** Those that run in memory, as one: no core waits for the last test of one of them. The longest begin first. */
const TOGETHER = ["calendar", "faults", "attacks", "recovery", "journeys", "emulators"];
/** For a whole file; a test that hangs must not hang the run. A campaign that takes every case needs hours on a busy machine. */
const FILE_TIMEOUT_MS = process.env.LIFEBOAT_TEST_EVERY === "1" ? 86_400_000 : 900_000;
/** For the rest of the output of a file that has ended. */
const OUTPUT_MS = 2_000;
/** Far more than the tests fill at any time. */
const PLENTY_BYTES = 4 * 1024 ** 3;
/** Caches of Node itself. */
const NOT_OURS = /^(node-compile-cache|v8-compile-cache)/;
const BUILT = "built";
/** What the run of a file says at its end. */
const TOTAL = /^# (tests|suites|pass|fail|cancelled|skipped|todo) (\d+)$/gm;
const TOTALS_IN_TEXT = /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+\n?/gm;

const root = fileURLToPath(new URL("..", import.meta.url));
const args = process.argv.slice(2);
const campaign = option("--campaign") ?? "tests";
const day = new Date().toISOString().slice(0, 10);
const withinMs = Number(option("--within") ?? Number.POSITIVE_INFINITY) * 60_000;
/** Suites that make and remove so many clusters that the disk would be what is waited for. */
const IN_MEMORY: ReadonlySet<string> = new Set(["tests", "together", ...TOGETHER]);
const suite = campaign === "together" ? TOGETHER.flatMap((name) => SUITES[name] ?? []) : SUITES[campaign];
if (suite === undefined) fail(`there is no campaign "${campaign}"; there are ${Object.keys(SUITES).join(", ")}`);
const words = args.filter((word) => !word.startsWith("-"));
const files = suite
  .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: ["**/node_modules/**"] }).sort())
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
if (files.length === 0) fail("no test file matches: nothing would be checked");
if (Number.isNaN(withinMs)) fail("--within is a number of minutes");
if (Number.isFinite(withinMs)) files.sort((a, b) => Number(isCalendar(b)) - Number(isCalendar(a)) || drawn(a).localeCompare(drawn(b)));

// Short: the path of a server's socket must fit into 107 bytes. Open to pass through: servers run as another user.
const temporary = mkdtempSync(join(roomyPlace(), "lb-"));
chmodSync(temporary, 0o711);
mkdirSync(join(temporary, BUILT));
const built = files.some((file) => /^test\/.+\//.test(file)) ? builtProgram() : undefined;
Object.assign(process.env, {
  TMPDIR: temporary,
  LIFEBOAT_TEST_TMP: temporary,
  NODE_COMPILE_CACHE: join(temporary, BUILT, "compiled-tests"),
  ...(built && { LIFEBOAT_TEST_PROGRAM: built }),
});
// Without this a file believes that it is a part of another run.
delete process.env.NODE_TEST_CONTEXT;
const { ran, failed, skips } = await runFiles();
const complaints = [...(ran ? [] : ["no test ran: nothing was checked"]), ...skips, ...leftovers()];
for (const complaint of complaints) console.error(`test: ${complaint}`);
if (files.length > 0) console.error(`test: begun within ${withinMs / 60_000} minutes was all but:\n  ${files.sort().join("\n  ")}`);
process.exitCode = failed || complaints.length > 0 ? 1 : 0;

/** Runs the files, as many at a time as there is room for, each in a process of its own, and reports them as one run. */
async function runFiles(): Promise<{ readonly ran: boolean; readonly failed: boolean; readonly skips: readonly string[] }> {
  const began = performance.now();
  const totals = new Map<string, number>();
  const failures: string[] = [];
  const took: { readonly file: string; readonly seconds: number }[] = [];
  const skips: string[] = [];
  const node = args.filter((word) => word.startsWith("-"));
  let begun = 0;
  const lane = async (): Promise<void> => {
    for (let file = files[0]; file !== undefined; file = files[0]) {
      if (begun++ > 0 && performance.now() - began >= withinMs) return;
      files.shift();
      const since = performance.now();
      const { text, tap, failure } = await runFile(file, node, join(temporary, BUILT, `${begun}.tap`));
      took.push({ file, seconds: Math.round((performance.now() - since) / 1000) });
      const [passed = "", failing] = text.split("\n✖ failing tests:\n");
      console.log(passed.replace(TOTALS_IN_TEXT, "").trimEnd());
      if (failure !== undefined) failures.push(`\n${file}: ${failure}\n${failing ?? ""}`);
      for (const [, name = "", count] of tap.matchAll(TOTAL)) totals.set(name, (totals.get(name) ?? 0) + Number(count));
      // With LIFEBOAT_TEST_REQUIRE_ALL=1, a test that was skipped because of a missing program is a failure.
      if (process.env.LIFEBOAT_TEST_REQUIRE_ALL !== "1") continue;
      for (const [line] of tap.matchAll(/^.*# SKIP .*not installed.*$/gm)) skips.push(`skipped, and must not be: ${file}: ${line.trim()}`);
    }
  };
  // More than there are cores, because tests often wait for a server, a clock or a child process.
  await Promise.all(Array.from({ length: availableParallelism() + 2 }, lane));
  totals.set("duration_ms", Math.round(performance.now() - began));
  console.log([...totals].map(([name, count]) => `ℹ ${name} ${count}`).join("\n"));
  const longest = took.toSorted((a, b) => b.seconds - a.seconds).slice(0, 12);
  console.log(`ℹ longest files: ${longest.map(({ file, seconds }) => `${file} ${seconds} s`).join(", ")}`);
  if (failures.length > 0) console.log(`\n✖ failing tests:\n${failures.join("\n")}`);
  return { ran: (totals.get("tests") ?? 0) > 0, failed: failures.length > 0, skips };
}

/** Runs one file. Its results are written as TAP beside what people read. */
async function runFile(file: string, node: readonly string[], results: string) {
  const reporters = ["spec", "stdout", "tap", results].map((value, at) => `--test-reporter${at % 2 ? "-destination" : ""}=${value}`);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...reporters, ...node, file], { cwd: root });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const closed = once(child, "close");
  const timer = setTimeout(() => child.kill("SIGKILL"), FILE_TIMEOUT_MS);
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(timer);
  // A process that the file left behind may hold its output open: the end of the run looks for such processes, and must be reached.
  await Promise.race([closed, sleep(OUTPUT_MS, undefined, { ref: false })]);
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  const tap = existsSync(results) ? readFileSync(results, "utf8") : "";
  const failed = status === 0 && /^# fail 0$/m.test(tap) ? undefined : `ended with ${signal ?? `status ${status}`}`;
  return { text, tap, failure: failed };
}

/** The simulated years take longest, so they begin first. */
function isCalendar(file: string): boolean {
  return file.startsWith("test/calendar/");
}

/** Sorts files in an order that is the same on every machine, and another one every day. */
function drawn(file: string): string {
  return createHash("sha256").update(`${day} ${file}`).digest("hex");
}

/** The value after the word, both taken out of the arguments. */
function option(word: string): string | undefined {
  const at = args.indexOf(word);
  return at === -1 ? undefined : args.splice(at, 2)[1];
}

/**
 * Memory, where there is plenty. Servers and repositories come and go by the hundred, and making files where many have just been
 * deleted took two thirds of the time on a disk. The other campaigns stay on a disk, so that everything runs on one somewhere.
 */
function roomyPlace(): string {
  const memory = "/dev/shm";
  if (!IN_MEMORY.has(campaign) || process.platform !== "linux" || process.env.TMPDIR !== undefined) return tmpdir();
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const [, , kind, options = ""] = mounts.map((line) => line.split(" ")).findLast(([, place]) => place === memory) ?? [];
  if (kind !== "tmpfs" || /(^|,)(ro|noexec)(,|$)/.test(options)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, process.availableMemory()) >= PLENTY_BYTES ? memory : tmpdir();
}

/** Ends and removes what the tests left, and names it. */
function leftovers(): string[] {
  const processes = ownProcesses();
  for (const { pid } of processes) process.kill(pid, "SIGKILL");
  // Killed is not gone yet, and could still write into the folder that goes next.
  for (let waits = 0; waits < 200 && ownProcesses().length > 0; waits++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
  const left = readdirSync(temporary).filter((name) => name !== BUILT && !NOT_OURS.test(name));
  rmSync(temporary, { recursive: true, force: true, maxRetries: 3, retryDelay: 200 });
  return [
    ...processes.map(({ pid, command }) => `a process was left running: ${pid} ${command}`),
    ...left.map((name) => `a temporary file or folder was left behind: ${name}`),
  ];
}

/** Processes that were started with the temporary folder of this run; known on Linux only. */
function ownProcesses(): { readonly pid: number; readonly command: string }[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(`LIFEBOAT_TEST_TMP=${temporary}`)) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command === "" ? [] : [{ pid: Number(name), command }]; // without a command line it has ended already
      } catch {
        return []; // ended meanwhile, or of another user
      }
    });
}

function fail(message: string): never {
  console.error(`test: ${message}`);
  process.exit(1);
}

function builtProgram(): string {
  try {
    return buildProgram(join(temporary, BUILT));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    fail(String(error));
  }
}
