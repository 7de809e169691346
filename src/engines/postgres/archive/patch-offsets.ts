// Fills in where each table's data begins, in an archive that pg_dump wrote to a pipe and so left without positions.
//
// Without them every worker of a parallel pg_restore reads the whole file from its start, row by row, to find its block.
// Only the private copy that pg_restore reads is changed, never a stored backup; the contents keep their length.
import { type FileHandle, open } from "node:fs/promises";
import { OFFSET_KNOWN } from "./contents.ts";
import { ArchiveWalker, type WalkedArchive } from "./walker.ts";

const READ_BYTES = 1024 * 1024;

/**
 * Walks the whole file (DUMP_INCOMPLETE if anything of it is missing), then writes the positions into it.
 * `onRead` hears how many bytes each reading took.
 */
export async function walkAndPatch(path: string, signal?: AbortSignal, onRead?: (sizeBytes: number) => void): Promise<WalkedArchive> {
  const file = await open(path, "r+");
  try {
    const walked = await walkFile(file, signal, onRead);
    await patch(file, walked);
    return walked;
  } finally {
    await file.close();
  }
}

async function walkFile(file: FileHandle, signal?: AbortSignal, onRead?: (sizeBytes: number) => void): Promise<WalkedArchive> {
  const walker = new ArchiveWalker();
  // The walker keeps nothing of what it is fed, so one buffer serves for all of the file.
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at);
    if (bytesRead === 0) return walker.end();
    walker.feed(buffer.subarray(0, bytesRead));
    at += bytesRead;
    onRead?.(bytesRead);
  }
}

async function patch(file: FileHandle, { contents, blocks }: WalkedArchive): Promise<void> {
  const unknown = contents.entries.filter((entry) => entry.hasData && entry.dataAt === undefined);
  if (unknown.length === 0) return;
  const head = Buffer.allocUnsafe(contents.sizeBytes);
  for (let at = 0; at < head.length; ) at += (await file.read(head, at, head.length - at, at)).bytesRead;
  for (const entry of unknown) {
    let position = blocks.get(entry.dumpId);
    if (position === undefined) continue;
    head[entry.offsetFieldAt] = OFFSET_KNOWN;
    for (let index = 1; index <= contents.header.offsetSize; index++) {
      head[entry.offsetFieldAt + index] = position % 256;
      position = Math.floor(position / 256);
    }
  }
  await file.write(head, 0, head.length, 0);
}
