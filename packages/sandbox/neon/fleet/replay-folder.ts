// The part of other lines' logs that a fork is replayed from, laid out in one directory under the names that a server asks for:
// links to whole segments, and a copy of the last one up to the fork, so that replay ends exactly there and nowhere else.
import { open, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { historyName, segmentNameAt } from "../../../../src/core/lsn.ts";
import { type Host, own, SEGMENT_BYTES } from "./host.ts";
import { type Base, historyOf, type Line, type Origin } from "./line.ts";
import { dataOf, makeOwn } from "./place.ts";

const SIZE = BigInt(SEGMENT_BYTES);

/** `of`: the line that the base belongs to, among those of the origin's history. */
export async function makeReplayFolder(host: Host, stage: string, of: Line, base: Base, origin: Origin): Promise<void> {
  await makeOwn(stage, host.user);
  const parts = historyOf(origin.line);
  for (const { line, until = origin.position } of parts.slice(parts.findIndex((part) => part.line === of))) {
    const log = line.own?.log;
    if (log === undefined) continue;
    const pgWal = join(dataOf(host.place, line.id), "pg_wal");
    const from = line === of && base.redo > log.first ? (base.redo / SIZE) * SIZE : log.first;
    for (let start = from; start < until; start += SIZE) {
      const name = segmentNameAt(log.timeline, start, SEGMENT_BYTES);
      const whole = line !== origin.line || start + SIZE <= until;
      if (whole) await symlink(join(pgWal, name), join(stage, name));
      else await copyHead(host, join(pgWal, name), join(stage, name), Number(until - start));
    }
    const history = historyName(log.timeline);
    if ((await readdir(pgWal)).includes(history)) await symlink(join(pgWal, history), join(stage, history));
  }
}

/** The first bytes of a segment; the rest is zeros, which is how the log's end looks. */
async function copyHead(host: Host, from: string, to: string, sizeBytes: number): Promise<void> {
  const bytes = new Uint8Array(SEGMENT_BYTES);
  const file = await open(from);
  try {
    for (let at = 0; at < sizeBytes; ) {
      const { bytesRead } = await file.read(bytes, at, sizeBytes - at, at);
      if (bytesRead === 0) throw new Error(`${from} ends before ${sizeBytes} bytes`);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  await writeFile(to, bytes, { mode: 0o600, flag: "wx" });
  await own(host, to);
}
