import assert from "node:assert/strict";
import { test } from "node:test";
import { JobProgress } from "../../operations/jobs/events.ts";
import type { Output } from "../output.ts";
import { makePaint, wantsColour } from "./paint.ts";
import { type ProgressOptions, printProgress } from "./progress.ts";
import { renderFacts, renderTable } from "./table.ts";

test("colour follows NO_COLOR, then FORCE_COLOR, then the terminal", () => {
  assert.equal(wantsColour(true, {}), true);
  assert.equal(wantsColour(false, {}), false);
  assert.equal(wantsColour(true, { NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(wantsColour(true, { NO_COLOR: "" }), true);
  assert.equal(wantsColour(false, { FORCE_COLOR: "1" }), true);
  assert.equal(wantsColour(true, { FORCE_COLOR: "0" }), false);
  assert.equal(wantsColour(true, { TERM: "dumb" }), false);
});

test("a verdict is always a word, with and without colour", () => {
  for (const paint of [makePaint(true), makePaint(false)]) {
    for (const verdict of ["pass", "fail", "inconclusive"] as const) assert.ok(paint.verdict(verdict).includes(verdict));
  }
});

test("a table aligns its columns, and becomes paragraphs where it does not fit", () => {
  const columns = [{ title: "name" }, { title: "size", align: "right" as const }];
  const rows = [
    ["backup-2026-01-01", "1.2 GB"],
    ["x", "9 B"],
  ];
  assert.equal(renderTable(columns, rows), "name                 size\nbackup-2026-01-01  1.2 GB\nx                     9 B");
  assert.equal(renderTable(columns, rows, { columns: 20 }), "name  backup-2026-01-01\nsize  1.2 GB\n\nname  x\nsize  9 B");
});

test("facts are aligned, and what is not known is left out", () => {
  const facts = [
    ["id", "1"],
    ["note", undefined],
    ["reason", "two\nlines"],
  ] as const;
  assert.equal(renderFacts(facts), "id      1\nreason  two\n        lines");
});

function recording(): Output & { text: string } {
  return {
    text: "",
    write(written) {
      this.text += written;
    },
    isTerminal: true,
    columns: 30,
  };
}

function progressOf(options: ProgressOptions) {
  const printer = printProgress(options);
  const clock = { now: () => new Date(0), monotonicMs: options.monotonicMs, randomBytes: () => new Uint8Array() };
  return Object.assign(new JobProgress(printer.events, clock), { pause: printer.pause });
}

test("the live line never grows wider than the terminal, and ends as a plain line", () => {
  const output = recording();
  let nowMs = 0;
  const progress = progressOf({ output, paint: makePaint(false), monotonicMs: () => nowMs, mode: "live" });
  progress.step("a step with a name that is far too long for this terminal", { totalBytes: 1000 });
  nowMs = 1000;
  progress.advance(500);
  progress.note("a note");
  progress.pause();
  const drawn = output.text
    .replaceAll("\r\x1b[2K", "\n")
    .split("\n")
    .filter((line) => line.includes("…"));
  assert.ok(drawn.length > 0);
  for (const line of drawn) assert.ok([...line].length < 30, line);
  assert.ok(output.text.endsWith("500 B of 1.0 kB (1.0 s)\n"));
});

test("rate and time left come from what was done lately; work without bytes is told as work", () => {
  const output = recording();
  let nowMs = 0;
  const wide = { ...output, columns: 100, write: (text: string) => output.write(text) };
  const progress = progressOf({ output: wide, paint: makePaint(false), monotonicMs: () => nowMs, mode: "live" });
  progress.step("dump", { totalBytes: 4_000_000 });
  nowMs = 1000;
  progress.advance(1_000_000);
  progress.note("one");
  assert.match(output.text, /dump {2}1\.0 MB of 4\.0 MB, 1\.0 MB\/s, 3\.0 s left/);
  nowMs = 2000;
  progress.note("two");
  nowMs = 8000;
  progress.note("three");
  assert.match(output.text, /1\.0 MB of 4\.0 MB, working for 7\.0 s/);
  progress.advance(3_000_000);
  nowMs = 9000;
  progress.note("four");
  assert.match(output.text, /dump {2}4\.0 MB of 4\.0 MB, [^,]*\/s\n?/);
  progress.phase?.("indexes");
  nowMs = 21_000;
  progress.note("five");
  assert.match(output.text, /dump {2}4\.0 MB, indexes for 12\.0 s/);
  assert.doesNotMatch(output.text, /stalled|\b0 ms left/);
  progress.pause();
});

test("things are counted, with the time left where their number is known", () => {
  const output = recording();
  let nowMs = 0;
  const wide = { ...output, columns: 100, write: (text: string) => output.write(text) };
  const progress = progressOf({ output: wide, paint: makePaint(false), monotonicMs: () => nowMs, mode: "live" });
  progress.step("look");
  progress.count(100, "sources", 1000);
  nowMs = 2000;
  progress.count(300, "sources", 1000);
  progress.note("one");
  assert.match(output.text, /look {2}300 of 1000 sources, 7\.0 s left/);
  progress.step("read");
  progress.count(5, "restore points");
  nowMs = 4000;
  progress.count(20, "restore points");
  progress.note("two");
  assert.match(output.text, /read {2}20 restore points\n?/);
  progress.pause();
  assert.ok(output.text.endsWith("read, 20 restore points (2.0 s)\n"));
});

test("an estimate that proves too small is no longer told", () => {
  const output = recording();
  const progress = progressOf({ output, paint: makePaint(false), monotonicMs: () => 0, mode: "plain" });
  progress.step("dump", { totalBytes: 10 });
  progress.advance(20);
  progress.end();
  progress.pause();
  assert.equal(output.text, "dump …\ndone: dump, 20 B (0 ms)\n");
});

test("the step in which a job failed is not told as done", () => {
  const output = recording();
  const progress = progressOf({ output, paint: makePaint(false), monotonicMs: () => 0, mode: "plain" });
  progress.step("snapshot");
  progress.end("SOURCE_UNREACHABLE");
  progress.pause();
  assert.equal(output.text, "snapshot …\nstopped: snapshot (0 ms)\n");
});
