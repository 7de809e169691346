// examples/monitoring: its rules and its dashboard ask for metrics and labels that the service has.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { isHealthCode } from "../../src/core/monitors.ts";
import { METRICS } from "../../src/server/metrics.ts";

const folder = join(import.meta.dirname, "../../examples/monitoring");
const rulesFile = join(folder, "alerts.yaml");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

const rules = (parse(readFileSync(rulesFile, "utf8")) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(folder, "dashboard.json"), "utf8")) as {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
};

/** The metrics that an expression names, and the labels that it may use. */
function assertKnown(about: string, expr: string, template: string): void {
  const named = [...new Set(expr.match(/\blifeboat_\w+/g))];
  assert.ok(named.length > 0, `${about} asks for no metric`);
  const metrics = named.map((name) => {
    const found = METRICS.find((one) => one.name === name || (one.type === "histogram" && name === `${one.name}_bucket`));
    assert.ok(found, `${about}: there is no metric ${name}`);
    return found;
  });
  const labels = new Set([...metrics.flatMap((metric) => metric.labels), "le"]);
  const used = [
    ...[...expr.matchAll(/(\w+)\s*(?:=~|!=|=)\s*"/g)].map(([, label]) => label),
    ...[...template.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label),
  ];
  for (const label of used) assert.ok(label === "value" || labels.has(label ?? ""), `${about}: no metric of it has the label ${label}`);
}

test("R38 every alert rule of the examples asks for metrics and labels of the service, and has a severity", () => {
  assert.ok(rules.length >= 8);
  for (const { alert, expr, labels, annotations } of rules) {
    assertKnown(alert, expr, Object.values(annotations).join(" "));
    assert.match(labels.severity, /^(critical|warning)$/);
  }
});

test("R38 the alert rules tell what no source shows, such as an absent repository, and name real codes", () => {
  const exprs = rules.map(({ expr }) => expr);
  assert.ok(exprs.includes('lifeboat_alerts_open{severity="critical"} > 0'), "of the repository, the queue, the keys");
  assert.ok(exprs.includes('lifeboat_source_verdict{verdict="inconclusive"} == 1'), "a source that could not be judged");
  const codes = exprs.flatMap((expr) => (/code=~"([^"]*)"/.exec(expr)?.[1] ?? "").split("|").filter((code) => code !== ""));
  assert.ok(codes.includes("DRILL_MISSING"), "a source that never had a drill has no metric of its last one");
  assert.deepEqual(
    codes.filter((code) => !isHealthCode(code)),
    [],
  );
});

test("R38 every panel of the dashboard asks for metrics and labels of the service", () => {
  assert.ok(dashboard.panels.length >= 10);
  for (const { title, targets } of dashboard.panels) for (const { expr, legendFormat } of targets) assertKnown(title, expr, legendFormat);
});

const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined;

test("R38 promtool accepts the alert rules", { skip: hasPromtool ? false : "promtool is not installed" }, () => {
  const ran = spawnSync("promtool", ["check", "rules", rulesFile], { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
});
