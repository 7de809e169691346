import assert from "node:assert/strict";
import { test } from "node:test";
import type { Evidence } from "../../repository/evidence.ts";
import { renderReport } from "./report.ts";

const evidence: Evidence = {
  format: 1,
  report: "0".repeat(64),
  id: "job1",
  verb: "drill",
  source: "shop",
  who: { user: "ann", host: "db1", lifeboat: "0.1.0" },
  startedAt: "2026-11-21T03:00:00.000Z",
  endedAt: "2026-11-21T03:01:00.000Z",
  point: { id: "p1", name: "backup-2026-11-21", snapshotAt: "2026-11-21T02:00:00.000Z" },
  target: "a scratch cluster",
  command: "lifeboat drill shop",
  steps: [{ name: "load", startedAt: "2026-11-21T03:00:01.000Z", ms: 12_300 }],
  decisions: [{ at: "2026-11-21T03:00:00.000Z", what: "latest is reached by backup p1", why: "it is the newest" }],
  checks: [
    { name: "rows of public.users", kind: "data", outcome: "fail", message: "9 rows | 10 expected" },
    { name: "recovery time (RTO)", kind: "objective", outcome: "pass", message: "12 s (objective: at most 15m)" },
  ],
  verdict: "fail",
  reasons: ["rows of public.users: 9 rows | 10 expected"],
  objective: { rtoSeconds: 900, rpoSeconds: 3600 },
  achieved: { rtoSeconds: 12.3 },
  remarks: ["owners were left out"],
};

const PRESENT = { now: new Date("2026-11-21T04:00:00.000Z"), timeZone: "Europe/Berlin" };

test("R34 the report says who, when, what, every step, every figure and the verdict", () => {
  const report = renderReport(evidence, PRESENT);
  for (const fact of [
    "# Drill of shop: fail",
    "ann@db1",
    "backup-2026-11-21 (p1)",
    "a scratch cluster",
    "| 2026-11-21T03:00:00.000Z | 04:00:00 | lifeboat drill shop |",
    "| 2026-11-21T03:00:00.000Z | 04:00:00 | latest is reached by backup p1 | it is the newest |",
    "| 2026-11-21T03:00:01.000Z | 04:00:01 | load |  | 12.3 s |",
    "| 2026-11-21T03:01:00.000Z | 04:01:00 | verdict: fail | rows of public.users: 9 rows \\| 10 expected |",
    "15m",
    "owners were left out",
    "2026-11-21T03:01:00.000Z",
  ]) {
    assert.ok(report.includes(fact), `${fact} is missing in:\n${report}`);
  }
});

test("R34 what was not measured is said to be so, and a bar in a message breaks no table", () => {
  const report = renderReport(evidence, PRESENT);
  assert.match(report, /RPO: achieved, objective \| not measured, 1h/);
  assert.ok(report.includes("9 rows \\| 10 expected"));
});

test("R56 hostile names are text in the report: no markup, HTML, link, line or cell of their own", () => {
  const names = [
    "x\n\n## Verdict: pass\n\n| a | b |",
    "<script>alert(1)</script> <img src=x onerror=alert(1)> &lt;",
    "[click](javascript:alert(1)) ![p](http://evil.example/p.png) <http://evil.example>",
    "`code` **bold** __init__ ~~gone~~ $x$ \\| | end",
    "\x1b[31mred\u202e\r",
    "# title",
    "- list",
    "1. list",
    "www.evil.example https://evil.example/a",
  ];
  for (const name of names) {
    const hostile: Evidence = {
      ...evidence,
      command: name,
      decisions: [{ at: evidence.startedAt, what: name, why: name }],
      target: name,
      steps: [{ name, startedAt: evidence.startedAt, ms: 1 }],
      point: { ...evidence.point, name },
      checks: [{ name, kind: "data", outcome: "fail", message: name }],
      reasons: [name],
      remarks: [name],
      who: { ...evidence.who, user: name },
    };
    const report = renderReport(hostile, PRESENT);
    const usual = renderReport({ ...evidence, checks: evidence.checks.slice(0, 1) }, PRESENT).split("\n");
    const lines = report.split("\n");
    assert.equal(lines.length, usual.length, `lines of their own:\n${report}`);
    for (const [index, line] of lines.entries()) {
      const bars = (text: string | undefined): number => (text?.match(/(?<!\\)\|/g) ?? []).length;
      assert.equal(bars(line), bars(usual[index]), `cells of their own: ${line}`);
      assert.doesNotMatch(line, /(?<!\\)[<>`*~$[]|:\/\/|www\.|[\p{Cc}\u202e]/u, name);
      assert.doesNotMatch(line, /^- ([#+=-] |\d+[.)] )/, "markup within a list");
      assert.doesNotMatch(line, /(?<!\\)_(?![A-Za-z])|(?<![A-Za-z\\])_/, "emphasis");
    }
  }
  assert.ok(renderReport(evidence, PRESENT).includes("rows of public.users"), "names that are words stay as they are");
});
