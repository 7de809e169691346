import assert from "node:assert/strict";
import { test } from "node:test";
import type { NeonBranch, NeonProject } from "../api/types.ts";
import { windowOf } from "./window.ts";

const NOW = new Date("2026-11-21T06:00:00Z");
const daysAgo = (days: number): Date => new Date(NOW.getTime() - days * 86_400_000);
const project = (historySeconds: number): NeonProject => ({ id: "p", name: "p", region: "", historySeconds });
const branch = (facts: Partial<NeonBranch>): NeonBranch => ({
  id: "br-a-b-1",
  name: "production",
  isDefault: true,
  isProtected: false,
  createdAt: daysAgo(100),
  state: "ready",
  ...facts,
});

test("the window reaches back as far as history is kept", () => {
  assert.deepEqual(windowOf(project(7 * 86_400), branch({}), NOW), { earliest: daysAgo(7), latest: NOW });
});

test("the window never begins before the branch was made, or was reset", () => {
  assert.deepEqual(windowOf(project(7 * 86_400), branch({ createdAt: daysAgo(2) }), NOW)?.earliest, daysAgo(2));
  assert.deepEqual(windowOf(project(7 * 86_400), branch({ lastResetAt: daysAgo(1) }), NOW)?.earliest, daysAgo(1));
});

test("without history, or for a branch from a snapshot, there is no window", () => {
  assert.equal(windowOf(project(0), branch({}), NOW), undefined);
  assert.equal(windowOf(project(86_400), branch({ restoredFrom: "snap-1" }), NOW), undefined);
  assert.equal(windowOf(project(86_400), branch({ restoreStatus: "finalized" }), NOW), undefined);
});

test("a branch that seems to come from the future has an empty window, not a reversed one", () => {
  assert.deepEqual(windowOf(project(86_400), branch({ createdAt: daysAgo(-1) }), NOW), { earliest: NOW, latest: NOW });
});
