// The base backup: a physical copy of a whole cluster. Together with the log archive it reaches any instant after it.
import { LifeboatError } from "../../core/errors.ts";
import type { ManifestPart } from "../../core/manifest.ts";
import type { Tier } from "../../core/tiers.ts";
import type { PhysicalEngine } from "../../ports/physical.ts";
import { storePart } from "../../repository/backups.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { type BackupRequest, type BackupResult, beginDraft, commitDraft } from "./backup-frame.ts";

export interface BaseMaking {
  readonly job: Job;
  readonly tiers: readonly Tier[];
  readonly startedAt: Date;
}

/** Stores every archive as it comes and commits only what the engine has checked against the server's own manifest. */
export async function storeBase(
  context: Context,
  source: Source,
  request: BackupRequest,
  making: BaseMaking,
  watch: Watch,
): Promise<Omit<BackupResult, "durationMs">> {
  const { job } = making;
  const engine = physicalEngine(source);
  const connection = await source.provider.connection({ signal: job.signal });
  const { progress } = watch;
  const dump = await job.step("checkpoint", () =>
    engine.beginBase(connection, { label: `lifeboat ${job.id}`, signal: job.signal, progress }),
  );
  try {
    // The data's own instant is its end, which is not known yet.
    const draft = await beginDraft(context, source, request, { ...making, at: making.startedAt });
    const parts: ManifestPart[] = [];
    await job.step(
      "copy",
      async () => {
        for await (const part of dump.parts) {
          parts.push(await storePart(context.repository.storage, draft.place, part, context.sealKey, draft.storing));
        }
      },
      { totalBytes: dump.facts.sizeBytes },
    );
    const base = dump.ended();
    const { facts, notIncluded } = dump;
    const made = { facts, snapshotAt: new Date(base.endedAt), notIncluded, parts, base };
    return { manifest: await commitDraft(context, source, request, draft, job, made), warnings: facts.warnings };
  } finally {
    await dump.end();
  }
}

/** CAPABILITY_MISSING where the source's server cannot be copied as files. */
function physicalEngine(source: Source): PhysicalEngine {
  const { physical } = source.engine;
  if (physical !== undefined && source.provider.capabilities.physical) return physical;
  throw new LifeboatError("CAPABILITY_MISSING", `${source.name} gives no replication connection, so there are no base backups of it`, {
    hint: `run \`lifeboat backup ${source.name}\` for a full one`,
  });
}
