// A change set: what is to become of rows, each by its key, with the hash that the row has now and the one that it is to have. A merge makes
// one from a restored copy; it stores another, which brings back the state before, as its undo set. Both are applied by the same code.
//
// The format is public text: a line of JSON, then for each table a line of JSON and its rows as COPY writes them, up to a line `\.`. The
// first two columns of a row are the hashes (`expect`, `want`; null: no such row), the others the table's stored columns.
import * as z from "zod/mini";
import { LifeboatError } from "../../../core/errors.ts";
import type { Client } from "../connect/client.ts";
import { copyOut } from "../load/copy-out.ts";

const beginning = z.looseObject({
  format: z.literal(1),
  engine: z.literal("postgres"),
  algorithm: z.enum(["pg-rows-1", "pg-rows-text-1"]),
});
const section = z.looseObject({ table: z.string(), columns: z.array(z.string()) });

export type Beginning = z.infer<typeof beginning>;
export type Section = z.infer<typeof section>;

/** A section with the query of its rows. */
export interface SectionQuery extends Section {
  readonly query: string;
}

const END = Buffer.from("\\.\n");
const END_AFTER_ROWS = Buffer.from("\n\\.\n");
const LONGEST_LINE_BYTES = 4 * 1024 * 1024;

const line = (value: unknown): Uint8Array => Buffer.from(`${JSON.stringify(value)}\n`);

export async function* writeChanges(
  client: Client,
  algorithm: Beginning["algorithm"],
  sections: readonly SectionQuery[],
): AsyncGenerator<Uint8Array, void> {
  yield line({ format: 1, engine: "postgres", algorithm } satisfies Beginning);
  for (const { table, columns, query } of sections) {
    yield line({ table, columns } satisfies Section);
    yield* copyOut(client, `copy (${query}) to stdout`);
    yield END;
  }
}

/** Gives each section with its rows to `take`, which reads them to their end. INTEGRITY for what is not a change set, or not a whole one. */
export async function readChanges(
  bytes: AsyncIterable<Uint8Array>,
  begin: (beginning: Beginning) => void,
  take: (section: Section, rows: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const reader = new LineReader(bytes);
  const first = parsed(beginning, await reader.line());
  if (first === undefined) throw notChanges("it is empty");
  begin(first);
  for (;;) {
    const next = parsed(section, await reader.line());
    if (next === undefined) return;
    await take(next, reader.rows());
  }
}

function parsed<T>(schema: z.ZodMiniType<T>, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw notChanges("a line of it is not valid", cause);
  }
}

const notChanges = (why: string, cause?: unknown): LifeboatError =>
  new LifeboatError("INTEGRITY", `this is not a change set: ${why}`, { cause, hint: "choose another job; `lifeboat jobs` lists them" });

class LineReader {
  readonly #bytes: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#bytes = bytes[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#bytes.next();
    if (done === true) return false;
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(value) : Buffer.concat([this.#buffer, value]);
    return true;
  }

  /** The next line, without its end. Undefined: there is none. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(10);
      if (at >= 0) {
        const text = this.#buffer.toString("utf8", 0, at);
        this.#buffer = this.#buffer.subarray(at + 1);
        return text;
      }
      if (this.#buffer.length > LONGEST_LINE_BYTES) throw notChanges("a line of it is too long");
      if (!(await this.#more())) {
        if (this.#buffer.length > 0) throw notChanges("it ends in the middle of a line");
        return undefined;
      }
    }
  }

  /** Whole rows, up to the line that ends them. */
  async *rows(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const whole = this.#buffer.lastIndexOf(10) + 1;
      const rows = this.#buffer.subarray(0, whole);
      const end = rows.subarray(0, END.length).equals(END) ? 0 : rows.indexOf(END_AFTER_ROWS) + 1;
      if (end > 0 || rows.subarray(0, END.length).equals(END)) {
        if (end > 0) yield rows.subarray(0, end);
        this.#buffer = this.#buffer.subarray(end + END.length);
        return;
      }
      if (whole > 0) yield rows;
      this.#buffer = this.#buffer.subarray(whole);
      if (!(await this.#more())) throw notChanges("it ends in the middle of a table");
    }
  }
}
