// A judged source as JSON: what `status` returns, and what is kept of a look.
import * as z from "zod/mini";
import type { LogStatus } from "../archive/log-status.ts";
import { objective } from "../recovery/schemas.ts";
import { expiryWaitJson, expiryWaitSchema } from "../retention/expiry-due.ts";
import {
  about,
  bytes,
  count,
  driftSchema,
  healthReason,
  healthReasonJson,
  inSeconds,
  instant,
  iso,
  limit,
  limitJson,
  orNull,
  pauseJson,
  pauseSchema,
  reason,
  seconds,
  settings,
  sourceName,
  timeline,
  verdict,
  windowOf,
} from "../schemas.ts";
import type { SourceStatus } from "./status.ts";

const reasons = z.readonly(z.array(reason));

const log = z.strictObject({
  segments: about(count, "Stored segments of the log."),
  bases: about(count, "Backups that log can be replayed onto."),
  sizeBytes: bytes,
  window: about(windowOf, "The newest recovery window of the archive."),
  windows: about(
    z.array(z.strictObject({ earliest: instant, latest: instant, timeline, endLsn: about(z.string(), "The position where it ends.") })),
    "Every window, the one that reaches furthest first.",
  ),
  flaws: z.array(
    z.strictObject({
      kind: about(z.enum(["missing", "damaged", "unlinked", "other-system"]), "What is wrong with the segment."),
      segment: about(z.string(), "Name of the segment."),
      from: orNull(instant),
      to: orNull(instant),
      message: z.string(),
    }),
  ),
  slot: about(
    orNull(
      z.strictObject({
        name: z.string(),
        exists: z.boolean(),
        active: about(z.boolean(), "It is being read now."),
        keptBytes: about(bytes, "WAL that the server retains for it."),
        walStatus: about(z.string(), "As PostgreSQL calls it: `reserved`, `extended`, `unreserved` or `lost`."),
        restartLsn: about(orNull(z.string()), "The oldest position that the server retains."),
        limitBytes: about(orNull(bytes), "The most that the server retains. Null: no limit."),
      }),
    ),
    "The replication slot.",
  ),
  warnings: reasons,
});

export const sourceSchema = z.strictObject({
  name: sourceName,
  provider: about(z.string(), "`neon`, `atlas`, `postgres` or `mongodb`."),
  engine: about(z.string(), "`postgres` or `mongodb`."),
  verdict,
  reasons: z.array(healthReason),
  unreachable: about(orNull(z.string()), "Why the source did not answer."),
  unasked: about(orNull(z.string()), "Why the provider could not be asked."),
  window: about(
    windowOf,
    "Instants that can be reached: of the log archive, the provider's history, or from the oldest to the newest point.",
  ),
  points: about(windowOf, "The instants of the oldest and the newest restore point."),
  settings,
  limits: z.array(limit),
  drift: z.readonly(z.array(driftSchema)),
  warnings: z.readonly(z.array(z.string())),
  log: about(orNull(log), "The log archive. Null: there is none."),
  history: about(orNull(windowOf), "The provider's history, where it keeps one."),
  lastBackup: orNull(z.strictObject({ id: z.string(), endedAt: instant, sizeBytes: bytes })),
  lastDrill: orNull(z.strictObject({ verdict, endedAt: instant, rtoSeconds: orNull(seconds), rpoSeconds: orNull(seconds) })),
  exposureSeconds: about(orNull(seconds), "Now minus the newest instant that can be reached. Null: there is none."),
  objective,
  paused: about(orNull(pauseSchema), "Its scheduled work is paused. Null: it is not."),
  expiryWaits: about(orNull(expiryWaitSchema), "Why its expiry could not be done since its slot. Null: it was, or is not due."),
});

export type SourceJson = z.infer<typeof sourceSchema>;

export function sourceJson(found: SourceStatus): SourceJson {
  const { earliest, latest, lastDrill, exposureMs, provider, log: archive, source: of } = found;
  const state = provider?.state;
  const points = { earliest: iso(earliest?.time), latest: iso(latest?.time) };
  const history = state?.window && { earliest: state.window.earliest.toISOString(), latest: state.window.latest.toISOString() };
  return {
    name: of.name,
    provider: of.providerName,
    engine: of.engine.name,
    verdict: found.verdict,
    reasons: found.reasons.map((one) => healthReasonJson(one, of.name)),
    unreachable: found.unreachableBecause ?? null,
    unasked: provider?.notAsked ?? null,
    window: archive?.window ?? history ?? points,
    points,
    settings: state?.settings ?? {},
    limits: found.limits.map(limitJson),
    drift: state?.drift ?? [],
    warnings: [...(state?.warnings ?? []), ...(archive?.warnings ?? []).map(({ message }) => message)],
    log: archive === undefined ? null : logJson(archive),
    history: history ?? null,
    lastBackup: latest === undefined ? null : { id: latest.id, endedAt: latest.endedAt.toISOString(), sizeBytes: latest.sizeBytes },
    lastDrill:
      lastDrill === undefined
        ? null
        : {
            verdict: lastDrill.verdict,
            endedAt: lastDrill.endedAt,
            rtoSeconds: lastDrill.achieved.rtoSeconds ?? null,
            rpoSeconds: lastDrill.achieved.rpoSeconds ?? null,
          },
    exposureSeconds: exposureMs === undefined ? null : Math.round(inSeconds(exposureMs)),
    objective: of.objective,
    paused: pauseJson(found.paused),
    expiryWaits: expiryWaitJson(found.expiryWaits),
  };
}

const logJson = ({ segments, bases, sizeBytes, windows, window, flaws, slot, warnings }: LogStatus): z.infer<typeof log> => ({
  segments,
  bases,
  sizeBytes,
  window: { earliest: window?.earliest ?? null, latest: window?.latest ?? null },
  windows: windows.map(({ earliest, latest, timeline, endLsn }) => ({ earliest, latest, timeline, endLsn })),
  flaws: flaws.map(({ kind, segment, from, to, message }) => ({ kind, segment, from: from ?? null, to: to ?? null, message })),
  slot: slot === undefined ? null : slotJson(slot),
  warnings: warnings.map(({ code, message }) => ({ code, message })),
});

const slotJson = ({ state, restartLsn, limitBytes, ...slot }: NonNullable<LogStatus["slot"]>) => ({
  ...slot,
  walStatus: state,
  restartLsn: restartLsn ?? null,
  limitBytes: limitBytes ?? null,
});
