// Small helpers of the seal's own tests: streams of chosen chunk sizes, and programs fed through pipes.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** The bytes as a stream of chunks of that size, each a copy of its own. */
export async function* chunked(bytes: Uint8Array, chunkBytes = 64 * 1024): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield Uint8Array.from(bytes.subarray(at, at + chunkBytes));
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Rows as a dump of a table has them: numbers, times, words. Always the same. */
export function rows(sizeBytes: number): Buffer {
  const words = ["harbour", "lantern", "mallet", "orchard", "pebble", "quarry", "ribbon", "saddle"];
  const lines: string[] = [];
  let seed = 12345;
  for (let length = 0, id = 1; length < sizeBytes; id++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const line = `${id}\t${words[seed % 8]} ${words[(seed >> 8) % 8]}\t2026-03-${(seed % 28) + 1} 10:${seed % 60}:00+00\t${seed}\t\\N\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join("")).subarray(0, sizeBytes);
}

/** A reason to skip when one of the programs is missing, else false. */
export function missing(...programs: string[]): string | false {
  const absent = programs.find((program) => spawnSync(program, ["--version"]).error !== undefined);
  return absent === undefined ? false : `${absent} is not installed`;
}

/** Runs a program over bytes; its standard output, once it has closed with status 0. */
export async function through(program: string, args: readonly string[], input: Uint8Array): Promise<Buffer> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const closed = once(child, "close");
  child.stdin.on("error", () => {}); // a program that stops reading says why with its status
  child.stdin.end(input);
  const [output, complaint] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const [status] = await closed;
  if (status !== 0) throw new Error(`${program} ended with status ${status}: ${complaint}`);
  return output;
}
