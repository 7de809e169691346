// One line of a file of variables. Every other line stays as it is, and so do mode and owner; the file is replaced in one act.
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LifeboatError } from "../../core/errors.ts";
import { visible } from "../../core/visible.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { partsOf, TIMEOUTS } from "../http.ts";
import { runCommand } from "../run.ts";

interface Options {
  readonly file: string;
  readonly restart?: readonly string[] | undefined;
  readonly pass: readonly string[];
}

const MOST_BYTES = 1024 * 1024;

export function makeCutOver({ name, options, variable, clock, timeouts = TIMEOUTS }: CutOverWiring<Options>): CutOver {
  const { restart, pass } = options;
  const secrets: string[] = [];
  const refuse = (message: string, cause?: unknown) =>
    new LifeboatError("CUTOVER_REFUSED", `cut-over "${visible(name)}": ${message}`, { cause });
  const readLines = async (): Promise<{ file: string; lines: string[]; at: number }> => {
    try {
      const file = await realpath(options.file); // a link stays one
      const text = await readBounded(file);
      const lines = text.split("\n");
      const at = lines.findLastIndex((line) => nameOf(line) === variable);
      if (at < 0) throw refuse(`${options.file} has no variable ${variable}`);
      return { file, lines, at };
    } catch (error) {
      if (error instanceof LifeboatError) throw error;
      throw refuse(`${options.file} cannot be read: ${codeOf(error)}`, error);
    }
  };
  return {
    async read() {
      const { lines, at } = await readLines();
      const value = valueIn(lines[at] ?? "");
      if (value === undefined) throw refuse(`the value of ${variable} in ${options.file} spans lines or refers to other variables`);
      secrets.push(...partsOf(value));
      return { value };
    },
    async set(value) {
      secrets.push(...partsOf(value));
      const { file, lines, at } = await readLines();
      const line = lineWith(lines[at] ?? "", value);
      if (line === undefined) throw refuse("the value cannot be written in a file of variables");
      try {
        await replace(file, lines.with(at, line).join("\n"), Buffer.from(clock.randomBytes(6)).toString("hex"));
      } catch (error) {
        throw refuse(`${options.file} cannot be written: ${codeOf(error)}`, error);
      }
    },
    ...(restart !== undefined && {
      async deploy(work) {
        await runCommand(name, { argv: restart, pass, timeoutMs: timeouts.deployMs, secrets }, work);
      },
    }),
  };
}

const LINE = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)(\s*=\s*)(.*?)(\s*\r?)$/;

const nameOf = (line: string): string | undefined => LINE.exec(line)?.[2];

/** The value of a line, in the forms that shells, systemd, Compose and dotenv read alike. Undefined: they do not agree on it. */
function valueIn(line: string): string | undefined {
  const written = LINE.exec(line)?.[4] ?? "";
  const single = /^'([^']*)'$/.exec(written);
  if (single !== null) return single[1];
  const double = /^"([^"\\$`]*)"$/.exec(written);
  if (double !== null) return double[1];
  return /^[^'"\\$`\s#]*$/.test(written) ? written : undefined;
}

/** The line with another value, quoted as before where that will do. */
function lineWith(line: string, value: string): string | undefined {
  const [, before = "", name = "", equals = "=", written = "", after = ""] = LINE.exec(line) ?? [];
  if (/['\r\n]/.test(value)) return undefined;
  const plain = !/["\\$`\s#&;|<>()*?!~]/.test(value);
  const quote =
    written.startsWith("'") || !plain ? (/["\\$`]/.test(value) || written.startsWith("'") ? "'" : '"') : written.startsWith('"') ? '"' : "";
  return `${before}${name}${equals}${quote}${value}${quote}${after}`;
}

async function readBounded(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size > MOST_BYTES) throw new LifeboatError("CUTOVER_REFUSED", `${file} is larger than 1 MiB: it is not a file of variables`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** A reader sees the old content or the new one, also after a crash. */
async function replace(file: string, text: string, suffix: string): Promise<void> {
  const { mode, uid, gid } = await stat(file);
  const beside = join(dirname(file), `.lifeboat-${suffix}`);
  const handle = await open(beside, "wx", 0o600);
  try {
    await writeAll(handle, text, mode & 0o7777, uid, gid);
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const directory = await open(dirname(file), "r");
  await directory.sync().finally(() => directory.close());
}

async function writeAll(handle: FileHandle, text: string, mode: number, uid: number, gid: number): Promise<void> {
  try {
    await handle.writeFile(text);
    const made = await handle.stat();
    // The application's user must still be able to read it.
    if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error ? ("code" in error && typeof error.code === "string" ? error.code : error.message) : String(error);
