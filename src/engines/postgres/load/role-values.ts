// Roles that rows name: a value of type regrole is written as a name, and cannot be read where no such role exists.
import { open } from "node:fs/promises";
import type { TocEntry } from "../archive/contents.ts";
import { rowsAt } from "../archive/rows.ts";
import type { WalkedArchive } from "../archive/walker.ts";

/** Returns the names in all columns of that type, of the tables that the archive defines. */
export async function rolesInRows(archiveFile: string, { contents, blocks }: WalkedArchive): Promise<string[]> {
  const roles = new Set<string>();
  const file = await open(archiveFile, "r");
  try {
    for (const entry of contents.entries) {
      const blockAt = blocks.get(entry.dumpId);
      const places = entry.kind === "TABLE DATA" ? placesOf(entry, contents.entries) : [];
      if (blockAt === undefined || places.length === 0) continue;
      for await (const value of valuesAt(rowsAt(file, blockAt, contents.header.intSize), new Set(places)))
        if (/^("|[^\d\\-])/.test(value)) roles.add(plain(value));
    }
  } finally {
    await file.close();
  }
  return [...roles];
}

/** Places of such columns in the rows of the entry. */
function placesOf(entry: TocEntry, entries: readonly TocEntry[]): number[] {
  const table = entries.find(({ kind, schema, name }) => kind === "TABLE" && schema === entry.schema && name === entry.name);
  const found = [...(table?.definition.matchAll(/^ {4}("(?:[^"]|"")+"|[^\s"]+) regrole\b(?!\[)/gm) ?? [])].map(([, column]) => column);
  const columns = / \((.*)\) FROM stdin/s.exec(entry.copyStatement)?.[1]?.match(/"(?:[^"]|"")+"|[^\s,"]+/g) ?? [];
  return columns.flatMap((column, place) => (found.includes(column) ? [place] : []));
}

/** A role's name with quotes and escapes; a longer value is not a name. */
const LONGEST_BYTES = 8 * 1024;
const [TAB, NEWLINE] = [9, 10];

/** Values of some columns of COPY's text format. A row of any length takes no more memory than one value. */
async function* valuesAt(chunks: AsyncIterable<Uint8Array>, places: ReadonlySet<number>): AsyncGenerator<string> {
  const value = Buffer.alloc(LONGEST_BYTES);
  let [place, filled] = [0, 0];
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const end = endOfValue(chunk, at);
      if (places.has(place)) {
        const piece = chunk.subarray(at, end);
        if (filled + piece.length <= LONGEST_BYTES) value.set(piece, filled);
        filled += piece.length;
      }
      if (end === chunk.length) break;
      if (places.has(place) && filled <= LONGEST_BYTES) yield value.toString("utf8", 0, filled);
      filled = 0;
      place = chunk[end] === NEWLINE ? 0 : place + 1;
      at = end + 1;
    }
  }
}

/** Where a tab or a newline is; in COPY's text format both are escaped within values. */
function endOfValue(chunk: Uint8Array, from: number): number {
  for (let at = from; at < chunk.length; at++) if (chunk[at] === TAB || chunk[at] === NEWLINE) return at;
  return chunk.length;
}

/** As the server quotes it, within what COPY escapes. */
function plain(value: string): string {
  const name = value.replaceAll(/\\(.)/g, "$1");
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
