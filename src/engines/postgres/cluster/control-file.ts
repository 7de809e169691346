// What a data directory says of itself, by the server's own pg_controldata.
import { LifeboatError } from "../../../core/errors.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";

/** The fields by their English names, as `Database cluster state` → `shut down`. SCRATCH_FAILED when it is not a data directory. */
export async function readControlFile(bin: string, data: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { status, stdout, end } = await runProgram(`${bin}/pg_controldata`, ["-D", data], {
    env: baseEnvironment(),
    timeoutMs: 30_000,
    signal,
  });
  if (status !== 0) throw new LifeboatError("SCRATCH_FAILED", `${data} cannot be used as a data directory: ${end}`);
  const fields = stdout.split("\n").map((line) => /^([^:]+):\s*(.*)$/.exec(line));
  return new Map(fields.flatMap((field) => (field ? [[field[1] as string, field[2] as string] as const] : [])));
}
