import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceStatus } from "../operations/watch/status.ts";
import { openMetrics } from "./metrics.ts";
import type { Judgement, Service } from "./service.ts";

test("R38 metrics of sources are written once for each beat, those of the process at each request", async () => {
  let reads = 0;
  const judgementAt = (at: Date): Judgement => {
    const sources = new Map<string, SourceStatus | undefined>([["shop", undefined]]);
    const counted = {
      [Symbol.iterator]: () => {
        reads += 1;
        return sources.entries();
      },
    };
    return { at, durationMs: 5, verdict: "inconclusive", sources: Object.assign(sources, counted), codes: new Map(), open: [] };
  };
  let judgement: Judgement | undefined;
  let refusal: string | undefined;
  const service = {
    ...{ judgement: () => judgement, refusal: () => refusal, subscribe() {} },
    config: () => ({ server: { beatMs: 60_000 } }),
  };
  const metrics = openMetrics(service as unknown as Service);
  const { text } = metrics;
  assert.match(await text(), /^lifeboat_config_refused 0$/m, "before the first beat");
  judgement = judgementAt(new Date(1000));
  assert.match(await text(), /^lifeboat_beat_timestamp_seconds 1$/m);
  const once = reads;
  assert.ok(once > 0);
  refusal = "wrong";
  const again = await text();
  assert.equal(reads, once);
  assert.match(again, /^lifeboat_source_verdict\{source="shop",verdict="inconclusive"\} 1$/m);
  assert.match(again, /^lifeboat_config_refused 1$/m);
  judgement = judgementAt(new Date(2000));
  assert.match(await text(), /^lifeboat_beat_timestamp_seconds 2$/m);
});
