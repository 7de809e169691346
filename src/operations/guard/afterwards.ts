// What is asked after a change: the source's checks and the application's health, at once and for as long as wanted.
import { setTimeout } from "node:timers/promises";
import type { Check } from "../../core/verdict.ts";
import type { Context, Source, Watch } from "../context.ts";
import { askHealth, awaitHealth, healthInWords } from "../cutover/health.ts";

const ASK_EVERY_MS = 2_000;
const PROBE_EVERY_MS = 30_000;

/** Resolves early with the first failure. */
export async function askAfterwards(context: Context, source: Source, watchMs: number, watch: Watch): Promise<readonly Check[]> {
  const { clock } = context;
  const startedMs = clock.monotonicMs();
  let probes = await probed(context, source, watch);
  let probedMs = startedMs;
  if (hasFailed(probes)) return probes;
  const { health } = source;
  if (health !== undefined) {
    const { ok, said } = await awaitHealth(health, clock, watch);
    if (!ok) return [...probes, healthCheck(source, "fail", `${said} for ${health.timeoutMs / 1000} s`)];
  }
  let missed = 0;
  while (clock.monotonicMs() - startedMs < watchMs) {
    const leftMs = watchMs - (clock.monotonicMs() - startedMs);
    watch.progress.phase?.(`watching for another ${Math.ceil(leftMs / 1000)} s`);
    await setTimeout(Math.min(ASK_EVERY_MS, Math.max(1, leftMs)), undefined, { signal: watch.signal });
    if (health !== undefined) {
      const { ok, said } = await askHealth(health, watch.signal);
      missed = ok ? 0 : missed + 1;
      // Once may be a restart.
      if (missed > 1) return [...probes, healthCheck(source, "fail", `${said} while it was watched`)];
    }
    if (clock.monotonicMs() - probedMs < PROBE_EVERY_MS) continue;
    probes = await probed(context, source, watch);
    probedMs = clock.monotonicMs();
    if (hasFailed(probes)) return probes;
  }
  return health === undefined
    ? probes
    : [...probes, healthCheck(source, "pass", `is up${watchMs > 0 ? `, watched for ${watchMs / 1000} s` : ""}`)];
}

const hasFailed = (checks: readonly Check[]): boolean => checks.some(({ outcome }) => outcome === "fail");

async function probed({ clock }: Context, source: Source, watch: Watch): Promise<readonly Check[]> {
  if (source.probes.length === 0) return [];
  return source.engine.probe(await source.provider.connection(watch), source.probes, clock.now(), watch);
}

function healthCheck({ health }: Source, outcome: Check["outcome"], message: string): Check {
  return { name: health === undefined ? "health" : healthInWords(health), kind: "probe", outcome, message };
}
