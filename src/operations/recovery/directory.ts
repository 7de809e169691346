// A whole cluster at any instant that the WAL reaches, into a directory or a scratch server.
import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { LifeboatError } from "../../core/errors.ts";
import type { Recovered } from "../../ports/physical.ts";
import type { Context, Source, Watch } from "../context.ts";
import { ownDatabaseIn, recoverCluster } from "./cluster.ts";
import type { Finding } from "./conclude.ts";
import type { ReadyRestore } from "./destination.ts";
import { eraseAgain } from "./erase.ts";
import { clusterPart, scratchIn } from "./plan.ts";
import type { Replay } from "./replay.ts";
import { scratchDirectory } from "./restored-copy.ts";

export interface DirectoryRequest {
  /** A directory, or `scratch`. */
  readonly into: string;
  /** Leave the server of a directory running. */
  readonly start?: boolean | undefined;
  /** A scratch server is ready: it is removed when this resolves. */
  readonly onScratch?: ((recovered: Recovered, finding: Finding) => Promise<void>) | undefined;
}

/** Whether `--into` means a place for a whole cluster: a directory has a slash in it. */
export const isDirectory = (into: string): boolean => into === "scratch" || (into.includes("/") && !/^[a-z][a-z0-9+.-]*:\/\//i.test(into));

export async function prepareDirectory(
  context: Context,
  source: Source,
  replay: Replay,
  { into, start = false, onScratch }: DirectoryRequest,
  watch: Watch,
): Promise<ReadyRestore> {
  const temporary = into === "scratch";
  const directory = temporary ? scratchIn(context) : resolve(into);
  const proof = {
    action: "prove",
    subject: "table of every database",
    effect: "none",
    reason: "a restore counts when it is proven",
  } as const;
  return {
    into: temporary ? "scratch" : "directory",
    request: { into: temporary ? into : directory, start },
    parts: [clusterPart(context, replay, directory), { steps: [proof], timed: [{ name: "verify" }] }],
    refusals: temporary ? [] : await occupied(directory),
    async carryOut(job) {
      const at = temporary ? scratchDirectory(context, job) : directory;
      const { recovered, checks } = await recoverCluster(context, source, replay, { directory: at, temporary }, job, watch);
      const discard = async (): Promise<void> => {
        await recovered.remove();
        await job.withdraw(recovered.resource);
      };
      const own = await ownDatabaseIn(source, recovered, replay, job.signal);
      const erased = await eraseAgain(context, source, own, job, watch).catch(async (error: unknown) => {
        await discard();
        throw error;
      });
      return {
        reached: { kind: "cluster", replay },
        target: temporary ? `a scratch server on this machine, ${recovered.isolation}` : directory,
        checks: [...checks, ...erased.checks],
        remarks: [...(temporary ? ["the scratch server runs with fsync off"] : []), ...erased.remarks],
        erasures: erased.erasures,
        warnings: [],
        async finish(finding) {
          if (temporary) {
            await onScratch?.(recovered, finding);
            await job.cleanUp(() => recovered.remove());
          } else await job.step("stop", () => recovered.stop());
          await job.withdraw(recovered.resource);
          return { next: temporary ? [] : await recovered.next({ start }) };
        },
        discard,
      };
    },
  };
}

async function occupied(directory: string): Promise<LifeboatError[]> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return [];
  const message = `${directory} is not empty: it holds ${names.slice(0, 3).join(", ")}`;
  return [new LifeboatError("RESTORE_TARGET_NOT_EMPTY", message)];
}
