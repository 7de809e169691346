// PostgreSQL's programs from Debian's or Ubuntu's own packages, unpacked into a private folder without root.
//
//   CACHE/lifeboat/postgresql/bin/   one script per program: finds the libraries beside it, and starts the program
//                             lib/   the packages as they are, without the compiler for expressions and its 30 MB library
//
// apt decides what is missing here, and checks every package against the signatures of the distribution. A folder takes its
// name after its programs have run: a crash leaves one named partial-…, which the next download removes.
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { LifeboatError } from "../../../src/core/errors.ts";
import { baseEnvironment } from "../../../src/process/environment.ts";
import { type RunResult, runProgram } from "../../../src/process/run.ts";
import { serverUser } from "../../../src/process/server-user.ts";

export interface DownloadOptions {
  readonly env: Environment;
  /** Resolves when the programs in a folder run. */
  readonly check: (directory: string) => Promise<unknown>;
  /** The command that a user with root's rights would run instead. */
  readonly install: string;
  /** Thrown where there is no apt. */
  readonly missing: LifeboatError;
  readonly say?: ((sentence: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Programs and libraries. Not the JIT compiler, C's own library, which the system has, and Perl. */
const WANTED = /^(?:postgresql(?:-client)?-\d+|lib(?!llvm|c6$|c-)(?!.*-perl$).+)$/;
const UNUSED = /\/(?:llvmjit\.so|llvmjit_types\.bc|bitcode|doc|man|locale|lintian|bug)$/;
/** From the user to apt: its configuration, and the way to the network. */
const PASSED_ON = ["APT_CONFIG", "http_proxy", "https_proxy", "no_proxy"];
const APT_TIMEOUT_MS = 600_000;
const PARTIAL = "partial-";
/** Longer than any download takes. */
const ABANDONED_MS = 3_600_000;

/** The folder of programs that an earlier run downloaded; undefined when there is none, or when they do not run. */
export async function downloadedPrograms(env: Environment, check: DownloadOptions["check"]): Promise<string | undefined> {
  const directory = join(cacheFolder(env), "postgresql", "bin");
  try {
    // Programs of another user are never started.
    for (const path of [cacheFolder(env), directory]) {
      const { uid, mode } = await lstat(path);
      if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return undefined;
    }
    await check(directory);
    return directory;
  } catch {
    return undefined;
  }
}

/**
 * Downloads the programs. Returns their folder.
 * Throws TOOL_MISSING where apt is not installed, does not know the packages or cannot reach them; INTEGRITY for a package that is damaged;
 * DISK_FULL; the abort's reason. Then nothing is left.
 */
export async function downloadPrograms({ env, check, install, missing, say, signal }: DownloadOptions): Promise<string> {
  const [aptGet, dpkgDeb] = [programOn(env, "apt-get"), programOn(env, "dpkg-deb")];
  if (aptGet === undefined || dpkgDeb === undefined) throw missing;
  const cache = cacheFolder(env);
  const final = join(cache, "postgresql");
  await makeCache(cache);
  const work = await mkdtemp(join(cache, PARTIAL));
  try {
    const place: Place = { work, env, signal, install, aptGet };
    const packages = await downloadPackages(place, missing, say);
    const tree = join(work, "tree");
    await mkdir(join(tree, "bin"), { recursive: true });
    for (const file of packages) {
      const result = await run(place, dpkgDeb, ["--extract", file, join(tree, "lib")]);
      if (result.status !== 0) throw failure(place, [result]);
    }
    await removeUnused(join(tree, "lib"));
    await writeScripts(tree);
    for (const folder of [work, tree, join(tree, "bin")]) await chmod(folder, modeOfFolders());
    await check(join(tree, "bin"));
    await runAsServer(join(tree, "bin", "postgres"), signal);
    await rm(final, { recursive: true, force: true });
    await rename(tree, final);
    say?.(`PostgreSQL is kept in ${final} for the next time`);
    return join(final, "bin");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") throw diskFull(cache, error);
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Place extends Pick<DownloadOptions, "env" | "signal" | "install"> {
  /** The folder of this download. */
  readonly work: string;
  readonly aptGet: string;
}

const programOn = ({ PATH = "/usr/bin:/bin" }: Environment, name: string): string | undefined =>
  PATH.split(":")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** As root, servers run as another user, who must be able to read the programs. */
const modeOfFolders = (): number => (process.getuid?.() === 0 ? 0o755 : 0o700);

function cacheFolder({ XDG_CACHE_HOME: given, HOME }: Environment): string {
  const own = process.getuid?.() === 0 ? "/var/cache" : join(HOME || homedir(), ".cache");
  return join(given?.startsWith("/") ? given : own, "lifeboat");
}

async function makeCache(cache: string): Promise<void> {
  await mkdir(cache, { recursive: true, mode: modeOfFolders() });
  const { uid } = await stat(cache);
  if (uid !== process.getuid?.()) throw new LifeboatError("TOOL_MISSING", `the cache folder ${cache} belongs to another user`);
  await chmod(cache, modeOfFolders());
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    if (name.startsWith(PARTIAL) && Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS)
      await rm(path, { recursive: true, force: true });
  }
}

/** The files of the packages. Asks the system's lists of packages first, then lists of today. */
async function downloadPackages(place: Place, missing: LifeboatError, say: DownloadOptions["say"]): Promise<string[]> {
  const results: RunResult[] = [];
  const succeeds = async (args: readonly string[]): Promise<string | undefined> => {
    const result = await run(place, place.aptGet, ["-o", "APT::Sandbox::User=root", ...args]);
    results.push(result);
    return result.status === 0 ? result.stdout : undefined;
  };
  for (const lists of [[], await ownLists(place)]) {
    if (lists.length > 0) {
      say?.("the lists of packages here are out of date: downloading them, about 10 MB");
      await succeeds([...lists, "update"]); // one unreachable source of many makes it fail, and need not matter
    }
    const resolved = await succeeds([...lists, "install", "--print-uris", "-qq", "--no-install-recommends", "postgresql"]);
    if (resolved === undefined) continue;
    const packages = packagesIn(resolved);
    if (packages.length === 0) throw missing;
    if (packages.some(({ name }) => name === "tzdata"))
      throw new LifeboatError("TOOL_MISSING", "PostgreSQL needs the package tzdata", missing);
    const wanted = packages.filter(({ name }) => WANTED.test(name));
    const sizeBytes = wanted.reduce((sum, one) => sum + one.sizeBytes, 0);
    say?.(`PostgreSQL is not installed here: downloading ${Math.ceil(sizeBytes / 1e6)} MB of packages without changing the system`);
    // Of an earlier attempt with other lists: two versions of a package are not unpacked over each other.
    for (const name of await readdir(place.work)) if (name.endsWith(".deb")) await rm(join(place.work, name));
    if ((await succeeds([...lists, "download", ...wanted.map(({ name }) => name)])) === undefined) continue;
    const files = (await readdir(place.work)).filter((name) => name.endsWith(".deb"));
    return files.map((name) => join(place.work, name));
  }
  throw failure(place, results);
}

/** `'http://…' libpq5_15.20-0+deb12u1_amd64.deb 205248 SHA256:…`, one line a package. */
function packagesIn(uris: string): { readonly name: string; readonly sizeBytes: number }[] {
  return [...uris.matchAll(/^'\S+' ([^_\s]+)_\S+ (\d+)/gm)].map(([, name = "", size]) => ({ name, sizeBytes: Number(size) }));
}

/** Has apt keep lists of packages in our folder: those of the system are root's. */
async function ownLists({ work }: Place): Promise<string[]> {
  const [lists, cache] = [join(work, "lists"), join(work, "cache")];
  for (const path of [join(lists, "partial"), join(cache, "archives", "partial")]) await mkdir(path, { recursive: true });
  return [
    "-o",
    `Dir::State::Lists=${lists}`,
    "-o",
    `Dir::Cache=${cache}`,
    "-o",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
  ];
}

function run({ work, env, signal }: Place, program: string, args: readonly string[]): Promise<RunResult> {
  const passed = PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return runProgram(program, args, {
    env: { ...baseEnvironment(env), ...Object.fromEntries(passed) },
    cwd: work,
    timeoutMs: APT_TIMEOUT_MS,
    signal,
  });
}

/** apt and dpkg tell what happened in words alone; with LC_ALL=C the words are always the same. */
function failure({ work, install }: Place, results: readonly RunResult[]): LifeboatError {
  const text = results.map(({ stderr, end }) => stderr || end).join("\n");
  if (/No space left on device|enough free space/.test(text)) return diskFull(dirname(work));
  if (/Hash Sum mismatch|unexpected size|not signed|corrupt|unexpected end/.test(text))
    return new LifeboatError("INTEGRITY", "the packages of PostgreSQL arrived damaged, and were not used", {
      hint: `run it again, or run \`${install}\``,
    });
  // The first cause: a package that is not known, behind a list that did not arrive, is none.
  const [first = "apt-get failed"] = text.match(/(?<=^[EW]: )Failed to fetch.+$/m) ?? text.match(/(?<=^E: ).+$/m) ?? [];
  const withoutPassword = first.replaceAll(/\/\/[^/@\s]*@/g, "//");
  return new LifeboatError("TOOL_MISSING", `the packages of PostgreSQL could not be downloaded: ${withoutPassword}`, {
    hint: `check the network, or run \`${install}\``,
  });
}

const diskFull = (directory: string, cause?: unknown): LifeboatError =>
  new LifeboatError("DISK_FULL", `there is no space for PostgreSQL's programs in ${directory}`, {
    cause,
    hint: "free 100 MB there, or set XDG_CACHE_HOME to a folder on a larger disk",
  });

async function removeUnused(root: string): Promise<void> {
  for (const name of await readdir(root, { recursive: true }))
    if (UNUSED.test(`/${name}`)) await rm(join(root, name), { recursive: true, force: true });
}

/** Writes one script per program of the newest major. */
async function writeScripts(tree: string): Promise<void> {
  const majors = (await readdir(join(tree, "lib/usr/lib/postgresql"))).map(Number).sort((a, b) => b - a);
  const bin = `lib/usr/lib/postgresql/${majors[0]}/bin`;
  const libraries: string[] = [];
  for (const place of ["lib/usr/lib", "lib/lib"]) {
    const names = await readdir(join(tree, place)).catch(() => []);
    libraries.push(...names.filter((name) => name.includes("-linux-")).map((name) => `$here/${place}/${name}`));
  }
  for (const name of await readdir(join(tree, bin))) {
    const script = [
      "#!/bin/sh",
      `here=\${0%/bin/*}`,
      `export LD_LIBRARY_PATH="${libraries.join(":")}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
      `exec "$here/${bin}/${name}" "$@"`,
    ];
    const file = join(tree, "bin", name);
    await writeFile(file, `${script.join("\n")}\n`);
    await chmod(file, 0o755); // for the server's user too, where root's new files are root's alone
  }
}

async function runAsServer(program: string, signal: AbortSignal | undefined): Promise<void> {
  const user = await serverUser();
  const { status } = await runProgram(program, ["--version"], { ...user, env: baseEnvironment(), timeoutMs: 10_000, cwd: "/", signal });
  if (status === 0) return;
  throw new LifeboatError("TOOL_FAILED", `the user of the server, number ${user?.uid}, cannot start ${program}`, {
    hint: "set XDG_CACHE_HOME to a folder that every user may pass through",
  });
}
