// lifeboat status: whether each source is protected right now.
import * as z from "zod/mini";
import { parseDuration } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { verdictOf } from "../../core/monitors.ts";
import { readAll } from "../../repository/read-all.ts";
import { counting } from "../jobs/counting.ts";
import { type OperationContext, operation, worstOf } from "../operation.ts";
import { about, exitOf, healthReason, instant, sourceName, verdict } from "../schemas.ts";
import { sourcesNamed } from "../sources.ts";
import { keepLooks, type LooksJson, lastLooks, repositoryJson } from "../watch/looks.ts";
import { repositoryReasons } from "../watch/repository-status.ts";
import { sharedOf } from "../watch/shared.ts";
import { statusOf, storedOf } from "../watch/status.ts";
import { sourceJson, sourceSchema } from "../watch/status-json.ts";

export const status = operation({
  name: "status",
  access: "look",
  storedOnly: ({ maxAge }) => maxAge !== undefined,
  request: z.strictObject({
    source: z.optional(about(sourceName, "Default: all.")),
    maxAge: z.optional(
      about(
        z.string(),
        "Answer with the last look that a service or a command of this machine took, unless that is older, such as `5m`. Default: look now.",
      ),
    ),
  }),
  result: z.strictObject({
    verdict,
    lookedAt: about(instant, "When the oldest of these looks began."),
    repositoryReasons: about(z.array(healthReason), "What is wrong with the repository as a whole, or with the keys of this machine."),
    sources: z.array(sourceSchema),
  }),
  async run(context, { source: name, maxAge }) {
    const { at, repository, sources } =
      maxAge === undefined ? await lookNow(context, name) : await lastLooks(context, name, parseDuration(maxAge));
    return {
      verdict: worstOf([...sources.map((one) => one.verdict), ...repository.map(({ code }) => verdictOf(code))]),
      lookedAt: at.toISOString(),
      repositoryReasons: repository,
      sources,
    };
  },
  exit: ({ verdict: found }) => exitOf(found, EXIT.unhealthy),
});

async function lookNow(context: OperationContext, name: string | undefined): Promise<LooksJson> {
  const sources = sourcesNamed(context, name);
  const at = context.clock.now();
  const shared = await sharedOf(context, context.signal);
  const all = await counting(context.progress, { step: "look", what: "sources", total: sources.length }, (done) =>
    readAll(sources, async (one) => {
      const found = await statusOf(context, one, context, shared);
      done(1);
      return found;
    }),
  );
  const ofRepository = await repositoryReasons(context, storedOf(all), context);
  const looks = { at, repository: repositoryJson(ofRepository), sources: all.map(sourceJson) };
  await keepLooks(context, { ...looks, repository: name === undefined ? looks.repository : undefined });
  return looks;
}
