// Leaves entries out of an archive while its bytes pass by. Only contents shrink: an entry that has data is never left out.
import { LifeboatError } from "../../../core/errors.ts";
import { type Contents, ContentsReader, type TocEntry } from "./contents.ts";

/**
 * Passes an archive on with the entries that `choose` keeps. pg_restore ignores dependencies on entries that are not there, and an archive
 * that was written to a pipe names no positions, so that nothing else refers to what is gone. Memory: header and contents.
 */
export async function* keepEntries(
  bytes: AsyncIterable<Uint8Array>,
  choose: (entries: readonly TocEntry[]) => ReadonlySet<TocEntry>,
): AsyncGenerator<Uint8Array> {
  const reader = new ContentsReader();
  const head: Uint8Array[] = [];
  let contents: Contents | undefined;
  for await (const chunk of bytes) {
    if (contents !== undefined) {
      yield chunk;
      continue;
    }
    head.push(chunk);
    contents = reader.feed(chunk);
    if (contents !== undefined) yield* narrowed(Buffer.concat(head), contents, choose(contents.entries));
  }
  // Too short to have contents: who reads it says what is missing.
  if (contents === undefined) yield* head;
}

function* narrowed(head: Buffer, { header, entries, entriesAt, sizeBytes }: Contents, kept: ReadonlySet<TocEntry>): Generator<Uint8Array> {
  yield head.subarray(0, entriesAt - header.intSize - 1);
  const count = new Uint8Array(header.intSize + 1);
  new DataView(count.buffer).setUint32(1, kept.size, true);
  yield count;
  let from = entriesAt;
  let end = entriesAt;
  for (const entry of entries) {
    const start = end;
    end = entry.offsetFieldAt + 1 + header.offsetSize;
    if (kept.has(entry)) continue;
    if (entry.hasData) throw new LifeboatError("DUMP_FAILED", `pg_dump read rows of ${entry.schema}.${entry.name}, which was not chosen`);
    if (start > from) yield head.subarray(from, start);
    from = end;
  }
  if (end !== sizeBytes) throw new LifeboatError("BUG", "the entries of an archive end where its contents do not");
  yield head.subarray(from);
}
