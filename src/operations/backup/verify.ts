// Verify: the stored bytes of a backup match its manifest; with a key at hand, they also open to the plain bytes it names.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Check, type Judgement, judge } from "../../core/verdict.ts";
import { readPart, readStored } from "../../repository/backups.ts";
import { mark } from "../../repository/marks.ts";
import { verifyStored } from "../../seal/digest.ts";
import type { OpenKey } from "../../seal/keys.ts";
import { baseOf } from "../archive/log-view.ts";
import { checkLog, logToVerify } from "../archive/verify-log.ts";
import type { Context, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import type { FiledAside } from "../jobs/records.ts";
import type { PointEntry } from "../points/points.ts";
import { originOf } from "../points/points.ts";
import { entryPlace } from "../recovery/load.ts";

export interface Verification extends Judgement {
  readonly point: PointEntry;
  readonly checks: readonly Check[];
  /** Whether the bytes were opened too, or only compared as they lie. */
  readonly opened: boolean;
  /** Set when what was found could not be noted in the repository. */
  readonly aside?: FiledAside | undefined;
}

const DAMAGE = new Set(["INTEGRITY", "OBJECT_MISSING"]);

/** Reads every stored byte. Damage makes the verdict fail and marks the point; without a key the seal is not opened, and that is said. */
export async function verify(context: Context, entry: PointEntry, watch: Watch): Promise<Verification> {
  const key = await context.openKey().catch((error: unknown) => {
    if (isLifeboatError(error, "KEY_MISSING")) return undefined;
    throw error;
  });
  const { manifest } = entry;
  return runJob(
    context,
    { verb: "verify", source: entry.source, point: manifest.id, aside: true },
    watch,
    async (job) => {
      const inJob = { ...watch, signal: job.signal };
      const totalBytes = manifest.parts.reduce((sum, part) => sum + (key ? part.plain : part.stored).sizeBytes, 0);
      const own = await job.step("read", () => checkParts(context, entry, key, inJob), { totalBytes });
      const log = baseOf(manifest) === undefined ? undefined : await logToVerify(context, entry, inJob);
      const ofLog = log === undefined ? [] : await job.step("read log", () => checkLog(context, entry, log, key, inJob), log);
      const checks = [...own, ...ofLog, ...originOf(entry)];
      const judgement = judge(checks, "integrity");
      // Damage to the log is the log's, marked there: the base itself is judged by its own bytes.
      const { verdict } = judge(own, "integrity");
      const at = context.clock.now();
      // Bytes that are as they were stored may still be what cannot be opened: only what was opened is verified.
      if (verdict === "pass" && key !== undefined) await job.file((place) => mark(place, entry.source, manifest.id, { verifiedAt: at }));
      if (verdict === "fail") await job.file((place) => mark(place, entry.source, manifest.id, { damagedAt: at }));
      return { ...judgement, point: entry, checks, opened: key !== undefined, aside: job.aside };
    },
    // A worker that takes it over answers with this.
    ({ verdict, reasons, opened, checks }) => ({ verdict, point: manifest.id, reasons, opened, checks }),
  );
}

async function checkParts(context: Context, entry: PointEntry, key: OpenKey | undefined, watch: Watch): Promise<Check[]> {
  const checks: Check[] = [];
  const { storage } = context.repository;
  const place = entryPlace(entry);
  for (const part of entry.manifest.parts) {
    const check = { name: `stored bytes of ${part.name}`, kind: "integrity" as const };
    try {
      if (key === undefined)
        await verifyStored(readStored(storage, place, part, watch.signal), part.stored, (sizeBytes) => watch.progress.advance(sizeBytes));
      else for await (const chunk of readPart(storage, place, part, key, watch.signal)) watch.progress.advance(chunk.byteLength);
      const how =
        key === undefined
          ? "SHA-256 of the stored bytes is as the manifest says"
          : "opened; SHA-256 of stored and plain bytes are as the manifest says";
      checks.push({ ...check, outcome: "pass", message: how });
    } catch (error) {
      if (!(error instanceof LifeboatError) || !DAMAGE.has(error.code)) throw error;
      checks.push({ ...check, outcome: "fail", message: error.message });
    }
  }
  return checks;
}
