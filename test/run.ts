// Runs the tests: `npm test [-- WORDS] [--node-options]`, `--campaign faults` for the long ones.
// Words choose files whose path contains one of them. Afterwards no process and no temporary file of the tests may be left.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SUITES: Readonly<Record<string, readonly string[]>> = {
  tests: ["src/**/*.test.ts", "tools/**/*.test.ts", "test/*.test.ts", "test/{support,contract,integration,e2e}/**/*.test.ts"],
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
/** For a whole file; a test that hangs must not hang the run. */
const FILE_TIMEOUT_MS = 600_000;
/** Far more than the tests fill at any time. */
const PLENTY_BYTES = 4 * 1024 ** 3;
/** Caches of Node itself. */
const NOT_OURS = /^(node-compile-cache|v8-compile-cache)/;
const BUILT = "built";

const root = fileURLToPath(new URL("..", import.meta.url));
const args = process.argv.slice(2);
const at = args.indexOf("--campaign");
const campaign = at === -1 ? "tests" : (args.splice(at, 2)[1] ?? "");
/** Suites that make and remove so many clusters that the disk would be what is waited for. */
const IN_MEMORY: ReadonlySet<string> = new Set(["tests", "together", ...TOGETHER]);
const suite = campaign === "together" ? TOGETHER.flatMap((name) => SUITES[name] ?? []) : SUITES[campaign];
if (suite === undefined) fail(`there is no campaign "${campaign}"; there are ${Object.keys(SUITES).join(", ")}`);
const words = args.filter((word) => !word.startsWith("-"));
const files = suite
  .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: ["**/node_modules/**"] }).sort())
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
if (files.length === 0) fail("no test file matches: nothing would be checked");

// Short: the path of a server's socket must fit into 107 bytes. Open to pass through: servers run as another user.
const temporary = mkdtempSync(join(roomyPlace(), "lb-"));
chmodSync(temporary, 0o711);
const tap = join(temporary, "results.tap");
const built = files.some((file) => /^test\/.+\//.test(file)) ? buildProgram() : undefined;
const run = spawnSync(
  process.execPath,
  [
    "--disable-warning=ExperimentalWarning",
    "--test",
    // One more than there are cores, because tests often wait for a server, a clock or a child process.
    `--test-concurrency=${availableParallelism() + 2}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tap}`,
    ...args.filter((word) => word.startsWith("-")),
    ...files,
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, TMPDIR: temporary, LIFEBOAT_TEST_TMP: temporary, ...(built && { LIFEBOAT_TEST_PROGRAM: built }) },
  },
);

const complaints = [...skipped(), ...leftovers()];
for (const complaint of complaints) console.error(`test: ${complaint}`);
process.exitCode = run.status === 0 && complaints.length === 0 ? 0 : 1;

/** What the package ships, built beside the tests: they start it thousands of times, and it starts in half the time of the sources. */
function buildProgram() {
  const place = join(temporary, BUILT);
  mkdirSync(place);
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  const build = spawnSync(process.execPath, [join(root, "tools/build.ts"), place], { stdio: "inherit" });
  if (build.status !== 0) {
    rmSync(temporary, { recursive: true, force: true });
    fail("the program could not be built");
  }
  const program = join(place, "lifeboat");
  const node = `"${process.execPath}" --max-semi-space-size=1 --disable-warning=ExperimentalWarning`;
  writeFileSync(program, `#!/bin/sh\nNODE_COMPILE_CACHE="${join(place, "compiled")}" exec ${node} "${join(place, "dist/bin.js")}" "$@"\n`, {
    mode: 0o755,
  });
  return program;
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

/** With LIFEBOAT_TEST_REQUIRE_ALL=1, a test that was skipped because of a missing program is a failure. */
function skipped(): string[] {
  if (process.env.LIFEBOAT_TEST_REQUIRE_ALL !== "1") return [];
  const results = readFileSync(tap, "utf8").split("\n");
  return results.filter((line) => /# SKIP .*not installed/.test(line)).map((line) => `skipped, and must not be: ${line.trim()}`);
}

/** Ends and removes what the tests left, and names it. */
function leftovers(): string[] {
  const processes = ownProcesses();
  for (const { pid } of processes) process.kill(pid, "SIGKILL");
  // Killed is not gone yet, and could still write into the folder that goes next.
  for (let waits = 0; waits < 200 && ownProcesses().length > 0; waits++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
  rmSync(tap, { force: true });
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
