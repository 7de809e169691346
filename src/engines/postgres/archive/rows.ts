// The rows of one table in an archive, as COPY takes them.
import type { FileHandle } from "node:fs/promises";
import { LifeboatError } from "../../../core/errors.ts";

const READ_BYTES = 1024 * 1024;

/**
 * Content of the data block that begins at `blockAt`, without the lengths of its pieces; its last line is the end mark of COPY. INTEGRITY
 * when the file ends inside of it.
 */
export async function* rowsAt(file: FileHandle, blockAt: number, intSize: number): AsyncGenerator<Uint8Array> {
  const intBytes = intSize + 1; // a sign comes first
  let position = blockAt + 1 + intBytes;
  let pieceLeft = 0;
  for (;;) {
    const { buffer: chunk, bytesRead } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    let at = 0;
    let out = 0; // pieces move together to the front
    let ended = false;
    for (;;) {
      const take = Math.min(pieceLeft, bytesRead - at);
      chunk.copyWithin(out, at, at + take);
      at += take;
      out += take;
      pieceLeft -= take;
      // A length that is cut is read again with what follows.
      if (pieceLeft > 0 || bytesRead - at < intBytes) break;
      pieceLeft = chunk.readUIntLE(at + 1, intSize);
      at += intBytes;
      ended = pieceLeft === 0;
      if (ended) break;
    }
    if (out > 0) yield chunk.subarray(0, out);
    if (ended) return;
    if (at === 0) throw new LifeboatError("INTEGRITY", "the archive ends inside of the rows of a table");
    position += at;
  }
}
