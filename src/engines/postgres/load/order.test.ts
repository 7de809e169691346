import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../../../test/support/repository.ts";
import { isLifeboatError } from "../../../core/errors.ts";
import type { TocEntry } from "../archive/contents.ts";
import { inKeyOrder } from "./key-order.ts";
import { Reads } from "./reads.ts";
import { RestoreListener, runRestore } from "./run.ts";
import { selectTables } from "./selection.ts";

/** Counts how often an entry's fields are asked for. */
let asked = 0;

function entry(dumpId: number, kind: string, name: string, more: Partial<TocEntry> = {}): TocEntry {
  const { dependencies = [], definition = "" } = more;
  return {
    ...{
      dumpId,
      classOid: 0,
      oid: 0,
      kind,
      name,
      schema: "public",
      hasData: kind === "TABLE DATA",
      owner: "ann",
      section: 1,
      copyStatement: "",
      dropStatement: "",
    },
    ...{ offsetFieldAt: 0, dataAt: undefined, tablespace: "" },
    get dependencies() {
      asked += 1;
      return dependencies;
    },
    get definition() {
      asked += 1;
      return definition;
    },
  };
}

const keyTo = (table: string): Partial<TocEntry> => ({
  definition: `ALTER TABLE ONLY public.x ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES public.${table}(id);\n`,
});

/** Tables t0 to tn, each of which refers to the next one. */
function chainOfKeys(length: number): TocEntry[] {
  const tables = Array.from({ length }, (_, n) => entry(n, "TABLE DATA", `t${n}`));
  return [...tables, ...tables.slice(1).map((_, n) => entry(length + n, "FK CONSTRAINT", `t${n} key`, keyTo(`t${n + 1}`)))];
}

const workOf = (run: () => unknown): number => {
  asked = 0;
  run();
  return asked;
};

function assertLinear(run: (size: number) => unknown): void {
  const [small, large] = [workOf(() => run(500)), workOf(() => run(4000))];
  assert.ok(small > 0 && large < 12 * small, `${small} looks at 500, ${large} at 4 000`);
}

test("tables that others refer to come first; a circle keeps the archive's order", () => {
  const tables = ["a", "b c", "d", "e"].map((name, n) => entry(n, "TABLE DATA", name));
  const keys = [entry(10, "FK CONSTRAINT", "a k", keyTo('"b c"')), entry(11, "FK CONSTRAINT", "b c k", keyTo("d"))];
  const names = (all: readonly TocEntry[]): string[] => inKeyOrder(tables, all).map(({ name }) => name);
  assert.deepEqual(names([...tables, ...keys]), ["d", "b c", "a", "e"]);
  assert.deepEqual(names([...tables, ...keys, entry(12, "FK CONSTRAINT", "d k", keyTo("a"))]), ["d", "b c", "a", "e"]);
  assert.deepEqual(names([...tables, entry(12, "FK CONSTRAINT", "a k", keyTo("a"))]), ["a", "b c", "d", "e"]);
});

test("R56 the order of tables is found with one look at each key, however long their chain", () => {
  assertLinear((size) => inKeyOrder(chainOfKeys(size).slice(0, size), chainOfKeys(size)));
  const long = chainOfKeys(50_000);
  assert.equal(inKeyOrder(long.slice(0, 50_000), long)[0]?.name, "t49999", "deeper than a stack");
});

test("R32 R56 what the functions of a table read comes before it, found with one look at each text", () => {
  // Each table calls a function that reads the next table.
  const chain = (size: number): TocEntry[] => [
    ...Array.from({ length: size }, (_, n) =>
      entry(n, "FUNCTION", `f${n}(text)`, { definition: `select from public.t${n + 1} where a = $1` }),
    ),
    ...Array.from({ length: size }, (_, n) => entry(size + n, "TABLE", `t${n}`, { dependencies: [n] })),
    ...Array.from({ length: size }, (_, n) => entry(2 * size + n, "TABLE DATA", `t${n}`, { dependencies: [size + n] })),
  ];
  const orders = (size: number) => {
    const reads = new Reads(chain(size));
    const definitions = reads.inOrder(chain(size)).filter(({ kind }) => kind === "TABLE");
    return { definitions, turns: reads.turns(chain(size)).map((turn) => turn.entries.filter(({ kind }) => kind === "TABLE DATA")) };
  };
  const { definitions, turns } = orders(20_000);
  assert.equal(definitions[0]?.name, "t19999", "deeper than a stack");
  assert.deepEqual([turns.length, turns[0]?.[0]?.name, turns[1]?.[0]?.name, turns[1]?.at(-1)?.name], [2, "t19999", "t19998", "t0"]);
  assertLinear(orders);
});

test("R56 partitions and foundations are chosen with few looks at each entry, however deep they lie", () => {
  // Each table is a partition of the one before, listed last first; each type depends on the next one.
  const partitions = (size: number): TocEntry[] => [
    ...Array.from({ length: size }, (_, n) => entry(n, "TABLE", `t${n}`)),
    ...Array.from({ length: size - 1 }, (_, n) =>
      entry(size + n, "TABLE ATTACH", `t${size - 1 - n}`, { dependencies: [size - 1 - n, size - 2 - n] }),
    ),
  ];
  const types = (size: number): TocEntry[] => [
    entry(0, "TABLE", "t0", { dependencies: [1] }),
    ...Array.from({ length: size }, (_, n) => entry(n + 1, "TYPE", `y${n}`, { dependencies: [n + 2] })),
  ];
  assert.equal(selectTables(partitions(100), ["t0"]).tables.length, 100);
  assertLinear((size) => selectTables(partitions(size), ["t0"]));
  assertLinear((size) => selectTables(types(size), ["t0"]));
  assert.equal(selectTables(types(50_000), ["t0"]).foundations.length, 50_000, "deeper than a stack");
});

test("R56 of a line of pg_restore without an end only the beginning is kept, and what follows it is read", () => {
  const done: number[] = [];
  const listener = new RestoreListener([entry(7, "TABLE DATA", "users"), entry(8, "TABLE DATA", "orders")], (id) => done.push(id));
  const feed = (text: string): void => listener.feed(Buffer.from(text));
  feed("pg_restore: error: could not execute query: ERROR:  ");
  for (let piece = 0; piece < 1000; piece++) feed("x".repeat(64 * 1024));
  feed('\npg_restore: processing data for table "public.users"\npg_restore: fin');
  feed("ished item 8 TABLE DATA orders\n");
  listener.end();
  assert.equal(listener.problems.length, 1);
  assert.ok((listener.problems[0]?.text.length ?? 0) < 20_000, "bounded");
  assert.deepEqual(done, [8, 7]);
});

test("R33 what a server refused is told also where the lines of parallel workers are mixed", () => {
  const listener = new RestoreListener([], () => {});
  listener.feed(Buffer.from("pg_restore: pg_restore: error: finished item 7 TABLE DATA users\n"));
  listener.feed(Buffer.from("could not execute query: ERROR:  it violates a foreign key\nDETAIL:  Key (id)=(secret)\n"));
  listener.feed(Buffer.from("pg_restore: warning: errors ignored on restore: 1\n"));
  listener.end();
  assert.deepEqual(listener.accountedFor(), [{ text: "pg_restore met 1 errors, and said last: ERROR:  it violates a foreign key" }]);
});

test("R33 a setting unknown to an older server is harmless in any language, a table of that name is not", () => {
  const said = (...lines: string[]): unknown[] => {
    const listener = new RestoreListener([entry(7, "TABLE", "transaction_timeout")], () => {});
    for (const line of [...lines, "warning: errors ignored on restore: 1"]) listener.feed(Buffer.from(`pg_restore: ${line}\n`));
    listener.end();
    return listener.accountedFor();
  };
  const unknown = "error: could not execute query: FEHLER:  unbekannter Konfigurationsparameter »transaction_timeout«";
  assert.deepEqual(said("while INITIALIZING:", unknown), []);
  const there = "error: could not execute query: FEHLER:  Relation »transaction_timeout« existiert bereits";
  assert.equal(said("while PROCESSING TOC:", "from TOC entry 7; 1259 1 TABLE transaction_timeout u", there).length, 1);
});

test("R33 a server that runs out of disk during a load is DISK_FULL, not a failed backup", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = join(directory, "pg_restore");
  const says = (words: string): Promise<unknown> => {
    writeFileSync(program, `#!/bin/sh\necho 'pg_restore: error: could not execute query: ERROR:  ${words}' >&2\nexit 1\n`, { mode: 0o755 });
    const target = { url: "postgres://u@127.0.0.1/shop", label: "shop" };
    return runRestore({ program, target, archiveFile: "/dev/null", arguments: [], entries: [], onDone: () => {} });
  };
  for (const full of ["No space left on device", "wrote only 4096 of 8192 bytes at block 13007"]) {
    const words = `could not extend file "base/1/2": ${full}`;
    await assert.rejects(says(words), (error) => isLifeboatError(error, "DISK_FULL") && /server's disk/.test(error.hint));
  }
  await assert.rejects(says("type x does not exist"), { code: "LOAD_FAILED" });
});
