// Roles that rows name: a value of type regrole is written as a name, and cannot be read where no such role exists.
import { open } from "node:fs/promises";
import type { TocEntry } from "../archive/contents.ts";
import { rowsAt } from "../archive/rows.ts";
import type { WalkedArchive } from "../archive/walker.ts";

/** Names in all columns of that type, of the tables that the archive defines. */
export async function rolesInRows(archiveFile: string, { contents, blocks }: WalkedArchive): Promise<string[]> {
  const roles = new Set<string>();
  const file = await open(archiveFile, "r");
  try {
    for (const entry of contents.entries) {
      const blockAt = blocks.get(entry.dumpId);
      const places = entry.kind === "TABLE DATA" ? placesOf(entry, contents.entries) : [];
      if (blockAt === undefined || places.length === 0) continue;
      for await (const line of linesOf(rowsAt(file, blockAt, contents.header.intSize))) {
        const values = line.split("\t");
        for (const place of places) if (/^("|[^\d\\-])/.test(values[place] ?? "")) roles.add(plain(values[place] ?? ""));
      }
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

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** As the server quotes it, within what COPY escapes. */
function plain(value: string): string {
  const name = value.replaceAll(/\\(.)/g, "$1");
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
