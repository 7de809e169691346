import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import type { HealthCode } from "../../core/monitors.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { SourceStatus } from "../../operations/watch/status.ts";
import type { Judgement, Service } from "../service.ts";
import { healthRoutes } from "./health.ts";

/** What /api/health/db/shop answers after a beat that found these codes. */
async function answerTo(shop: Verdict | undefined, codes: readonly HealthCode[], ofAll: readonly HealthCode[]) {
  const status = shop === undefined ? undefined : ({ verdict: shop, reasons: [] } as unknown as SourceStatus);
  const judgement: Judgement = {
    ...{ at: new Date(0), durationMs: 1, verdict: "pass", open: [] },
    sources: new Map([["shop", status]]),
    codes: new Map<string | null, readonly HealthCode[]>([
      ["shop", codes],
      [null, ofAll],
    ]),
  };
  const service = {
    ...{ judgement: () => judgement, clock: { now: () => new Date(1000) }, signal: new AbortController().signal },
    config: () => ({ sources: { shop: {} }, server: { beatMs: 60_000 } }),
  };
  const app = new Hono();
  await healthRoutes(app, service as unknown as Service);
  const response = await app.request("/api/health/db/shop");
  const { status: word, verdict, codes: told } = (await response.json()) as Record<string, unknown>;
  return [response.status, word, verdict, told];
}

test("R38 a source is not well while its repository is full, away or without a key, or its queue is away", async () => {
  assert.deepEqual(await answerTo("pass", [], []), [200, "ok", "pass", []]);
  for (const code of ["REPOSITORY_FILLING", "REPOSITORY_UNREACHABLE", "KEY_MISSING", "QUEUE_AWAY"] as const)
    assert.deepEqual(await answerTo("pass", [], [code]), [503, "failing", "fail", [code]]);
  assert.deepEqual(await answerTo(undefined, [], ["REPOSITORY_UNREACHABLE"]), [503, "failing", "fail", ["REPOSITORY_UNREACHABLE"]]);
  assert.deepEqual(await answerTo("pass", [], ["AUDIT_INVALID", "NOTIFY_FAILED"]), [200, "ok", "pass", []], "not of the source");
  assert.deepEqual(await answerTo("pass", ["WORK_PARKED"], []), [503, "failing", "fail", ["WORK_PARKED"]], "found beside its status");
});
