// One row out of a pg_dump archive: its bytes pass by once, are walked to their end, and nothing is restored.
import { isLifeboatError } from "../../../core/errors.ts";
import type { NamedRow, RowFound, RowValues } from "../../../core/row-history.ts";
import type { ArchiveOptions, RowName } from "../../../ports/row-history.ts";
import type { Contents, TocEntry } from "../archive/contents.ts";
import { ArchiveWalker } from "../archive/walker.ts";
import { readableName } from "../connect/quote.ts";
import { matchesPattern, parsePattern } from "../fingerprint/scope.ts";
import { selectTables } from "../load/selection.ts";
import { assertOneTable, conditionOf, copyText, type KeyColumn, keyValues } from "./key.ts";

/** What a backup of data alone lacks. */
interface Definition {
  /** Types by column. */
  readonly types: ReadonlyMap<string, string>;
  readonly key: readonly KeyColumn[];
}

/** As the port says. */
export async function rowInArchive(
  archive: AsyncIterable<Uint8Array>,
  row: RowName,
  { like }: ArchiveOptions = {},
): Promise<RowFound | undefined> {
  assertOneTable(row);
  let wanted: Wanted | "missing" | "unclear" | undefined;
  let finder: RowFinder | undefined;
  const walker = new ArchiveWalker((entry, contents) => {
    wanted ??= wantedIn(contents, row, like);
    if (typeof wanted === "string" || !wanted.data.has(entry)) return undefined;
    const current = new RowFinder(wanted, entry, finder?.row);
    finder = current;
    if (!current.hasKey) {
      wanted = "unclear"; // the key is computed, and not in the rows
      return undefined;
    }
    return (bytes, from, to) => current.feed(bytes, from, to);
  });
  for await (const chunk of archive) {
    walker.feed(chunk);
    if (wanted === "unclear") return undefined;
  }
  const { contents } = walker.end();
  wanted ??= wantedIn(contents, row, like); // no table has rows
  if (wanted === "unclear") return undefined;
  if (wanted === "missing") return { missing: "table" };
  return { row: finder?.row, named: wanted.named, like: wanted.definition };
}

interface Wanted {
  readonly named: NamedRow;
  readonly definition: Definition;
  /** Entries whose rows are those of the table: its own, or those of its partitions. */
  readonly data: ReadonlySet<TocEntry>;
  /** Of the key, by column, as COPY writes it. */
  readonly encoded: ReadonlyMap<string, Buffer>;
}

/** Encodings whose bytes are read as UTF-8. */
const READABLE = /'(UTF8|SQL_ASCII)'/;

function wantedIn({ entries, header }: Contents, row: RowName, like: object | undefined): Wanted | "missing" | "unclear" {
  const encoding = entries.find(({ kind }) => kind === "ENCODING");
  if (!header.plain || encoding === undefined || !READABLE.test(encoding.definition)) return "unclear";
  let selection: ReturnType<typeof selectTables>;
  try {
    selection = selectTables(entries, [row.table]);
  } catch (error) {
    if (isLifeboatError(error, "TABLE_UNKNOWN")) return "missing";
    throw error;
  }
  const pattern = parsePattern(row.table);
  const nameOf = ({ schema, name }: TocEntry): string => `${readableName(schema)}.${readableName(name)}`;
  const root = selection.tables.find((entry) => matchesPattern(pattern, nameOf(entry)));
  if (root === undefined) return "missing";
  const definition = root.kind === "TABLE" ? definitionOf(root, selection.entries) : (like as Definition | undefined);
  if (definition === undefined) return "unclear";
  const table = nameOf(root);
  const values = keyValues(table, definition.key, row.key);
  const encoded = new Map<string, Buffer>();
  for (const [index, column] of definition.key.entries()) {
    const text = copyText(column, values[index] ?? "");
    if (text === undefined) return "unclear";
    encoded.set(column.name, Buffer.from(escaped(text), "utf8"));
  }
  const key = Object.fromEntries(definition.key.map(({ name }, index) => [name, values[index] ?? ""]));
  const data = root.kind === "TABLE" ? selection.entries.filter(({ kind }) => kind === "TABLE DATA") : selection.tables;
  return { named: { table, key, condition: conditionOf(definition.key, values) }, definition, data: new Set(data), encoded };
}

/** A column of `CREATE TABLE`: pg_dump writes one a line. */
const COLUMN = /^ {4}("(?:[^"]|"")+"|[^\s",()]+) (.+?)(?= COLLATE | DEFAULT | NOT NULL| GENERATED |,?$)/gm;
const PRIMARY_KEY = / PRIMARY KEY \(((?:"(?:[^"]|"")+"|[^"()])+)\)/;

/** Undefined: only a server can say, as of a key that is not a primary key, or whose text has a collation of its own. */
function definitionOf(table: TocEntry, entries: readonly TocEntry[]): Definition | undefined {
  const ofTable = entries.filter(({ dependencies }) => dependencies.includes(table.dumpId));
  const key = ofTable.filter(({ kind }) => kind === "CONSTRAINT").flatMap(({ definition }) => PRIMARY_KEY.exec(definition)?.[1] ?? []);
  const types = new Map<string, string>();
  for (const [line, quoted = "", type = ""] of table.definition.matchAll(COLUMN)) {
    const name = unquoted(quoted);
    // Text of a default may look like a column.
    if (types.has(name)) return undefined;
    types.set(name, table.definition.includes(`${line} COLLATE `) ? "" : type);
  }
  if (key[0] === undefined) {
    const isUnique = ({ definition }: TocEntry): boolean => / UNIQUE/.test(definition);
    return ofTable.some(isUnique) ? undefined : { types, key: [] };
  }
  const columns = namesIn(key[0]).map((name) => ({ name, type: types.get(name) ?? "" }));
  return { types, key: columns };
}

const namesIn = (list: string): string[] => (list.match(/"(?:[^"]|"")+"|[^\s",]+/g) ?? []).map(unquoted);
const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** COPY public.orders (id, "Total") FROM stdin; */
const COPY_COLUMNS = /^COPY (?:"(?:[^"]|"")+"|[^\s".])+(?:\.(?:"(?:[^"]|"")+"|[^\s".])+)? \((.*)\) FROM stdin;\s*$/s;

const [TAB, NEWLINE] = [9, 10];

/** Looks through the lines of COPY for the one with the key. */
class RowFinder {
  row: RowValues | undefined;
  readonly #columns: readonly string[];
  readonly #types: ReadonlyMap<string, string>;
  /** In the order of the columns. */
  readonly #key: readonly { readonly index: number; readonly value: Buffer }[];
  /** The beginning of a line that a piece has cut. */
  #cut: Buffer | undefined;

  constructor({ encoded, definition }: Wanted, { copyStatement }: TocEntry, found: RowValues | undefined) {
    this.row = found;
    this.#columns = namesIn(COPY_COLUMNS.exec(copyStatement)?.[1] ?? "");
    this.#types = definition.types;
    this.#key = [...encoded].map(([name, value]) => ({ index: this.#columns.indexOf(name), value })).sort((a, b) => a.index - b.index);
  }

  get hasKey(): boolean {
    return this.#key.every(({ index }) => index >= 0);
  }

  feed(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    if (this.#cut !== undefined) {
      const end = bytes.indexOf(NEWLINE, at);
      const stop = end < 0 || end >= to ? to : end;
      const line: Buffer = Buffer.concat([this.#cut, bytes.subarray(at, stop)]);
      this.#cut = stop === to ? line : undefined;
      if (stop === to) return;
      this.#look(line, 0, line.length);
      at = stop + 1;
    }
    while (at < to) {
      const end = bytes.indexOf(NEWLINE, at);
      if (end < 0 || end >= to) {
        this.#cut = Buffer.from(bytes.subarray(at, to));
        return;
      }
      this.#look(bytes, at, end);
      at = end + 1;
    }
  }

  #look(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    let column = 0;
    for (const { index, value } of this.#key) {
      for (; column < index; column++) {
        const tab = bytes.indexOf(TAB, at);
        if (tab < 0 || tab >= to) return;
        at = tab + 1;
      }
      const end = at + value.length;
      if (end > to || (end !== to && bytes[end] !== TAB)) return;
      for (let each = 0; each < value.length; each++) if (bytes[at + each] !== value[each]) return;
    }
    const fields = Buffer.from(bytes.subarray(from, to)).toString("utf8").split("\t");
    this.row = Object.fromEntries(this.#columns.map((name, index) => [name, this.#value(name, fields[index] ?? "")]));
  }

  #value(name: string, field: string): string | null {
    if (field === "\\N") return null;
    const text = field.replaceAll(/\\(.)/gs, (_all, letter: string) => UNESCAPED[letter] ?? letter);
    return this.#types.get(name) === "timestamp with time zone" || /^timestamp\(\d\) with time zone$/.test(this.#types.get(name) ?? "")
      ? inUtc(text)
      : text;
  }
}

const UNESCAPED: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const ESCAPED: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ...Object.entries(UNESCAPED).map(([a, b]) => [b, `\\${a}`] as const),
]);

const escaped = (text: string): string => text.replaceAll(/[\\\b\f\n\r\t\v]/g, (letter) => ESCAPED.get(letter) ?? letter);

const WITH_ZONE = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/** pg_dump writes an instant in the time zone of the server, which may change; our sessions write it in UTC. */
function inUtc(text: string): string {
  const [, day, time, fraction = "", sign, hours = "0", minutes = "0", seconds = "0"] = WITH_ZONE.exec(text) ?? [];
  if (day === undefined || time === undefined) return text;
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * (sign === "-" ? -1000 : 1000);
  const at = new Date(new Date(`${day}T${time}Z`).getTime() - offsetMs);
  return `${at.toISOString().slice(0, 19).replace("T", " ")}${fraction}+00`;
}
