// What a running server writes about itself into its data directory: number, directory, start, port, sockets, …, state.
import { constants } from "node:fs";
import { open } from "node:fs/promises";

const LONGEST_BYTES = 4096;

/** Its lines; none when there is no such file. Code in the data may have put anything there: no link is followed, no pipe waited for. */
export async function postmasterFile(data: string): Promise<readonly string[]> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(`${data}/postmaster.pid`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(LONGEST_BYTES), 0, LONGEST_BYTES, 0);
    return buffer.toString("utf8", 0, bytesRead).split("\n");
  } catch {
    return [];
  } finally {
    await file.close();
  }
}
