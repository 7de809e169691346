// /api/health: what an uptime monitor asks every few seconds. It answers from the last beat's judgement, names no secret, and needs no
// authentication. 200: protected, as far as is known. 503: not protected, or no longer known to be.
import type { Context } from "hono";
import { concernsEverySource, verdictOf } from "../../core/monitors.ts";
import type { Verdict } from "../../core/verdict.ts";
import { worstOf } from "../../operations/operation.ts";
import { ageMsOf, isOverdue } from "../monitor.ts";
import type { Judgement, Routes, Service } from "../service.ts";

export const healthRoutes: Routes = (app, service) => {
  app.get("/api/health", (c) => answer(c, service, (judgement) => ofAll(judgement)));
  app.get("/api/health/db/:source", (c) => {
    const source = c.req.param("source");
    const { sources } = service.config();
    if (!Object.hasOwn(sources, source)) return c.json({ code: "SOURCE_UNKNOWN" }, 404);
    return answer(c, service, (judgement) => ofSource(source, judgement));
  });
};

interface Answer {
  readonly verdict: Verdict;
  readonly [fact: string]: unknown;
}

function answer(c: Context, service: Service, facts: (judgement: Judgement) => Answer): Response {
  c.header("cache-control", "no-store");
  const judgement = service.judgement();
  if (service.signal.aborted) return c.json({ status: "stopping" }, 503);
  if (judgement === undefined) return c.json({ status: "starting" }, 503);
  const found = facts(judgement);
  const age = { judgedAt: judgement.at.toISOString(), ageSeconds: Math.round(ageMsOf(service, judgement.at) / 1000) };
  if (isOverdue(service, judgement)) return c.json({ status: "overdue", ...age, verdict: "inconclusive" }, 503);
  const isStrict = c.req.query("strict") === "true";
  const isWell = found.verdict === "pass" || (found.verdict === "inconclusive" && !isStrict && found.judged !== false);
  return c.json({ status: isWell ? "ok" : "failing", ...found, ...age }, isWell ? 200 : 503);
}

function ofAll({ verdict, sources, open }: Judgement): Answer {
  const of = (wanted: Verdict): number => [...sources.values()].filter((one) => (one?.verdict ?? "inconclusive") === wanted).length;
  const alerts = (severity: string): number => open.filter((alert) => alert.severity === severity).length;
  return {
    verdict,
    judged: [...sources.values()].every((one) => one !== undefined),
    sources: { pass: of("pass"), inconclusive: of("inconclusive"), fail: of("fail") },
    alerts: { critical: alerts("critical"), warning: alerts("warning") },
  };
}

/** What leaves every source unprotected is a finding of each. */
function ofSource(source: string, { sources, codes: found }: Judgement): Answer {
  const status = sources.get(source);
  const codes = [...new Set([...(found.get(source) ?? []), ...(found.get(null) ?? []).filter(concernsEverySource)])];
  return {
    source,
    verdict: worstOf([status?.verdict ?? "inconclusive", ...codes.map(verdictOf)]),
    judged: status !== undefined,
    codes,
    lastBackupAt: status?.latest?.endedAt.toISOString() ?? null,
    exposureSeconds: status?.exposureMs === undefined ? null : Math.round(status.exposureMs / 1000),
  };
}
