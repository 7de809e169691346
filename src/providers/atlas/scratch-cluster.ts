// A cluster of our own making: declared, created, waited for; and gone again when anything goes wrong on the way.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Maker, Resource } from "../../ports/resource.ts";
import { sleep } from "../http/timeouts.ts";
import type { Account } from "./account.ts";
import type { AtlasCluster } from "./api/types.ts";
import { clusterResource, DISTINCT_LENGTH, inTheWayOf, jobOfScratch, TAG, tagOf, undoCluster } from "./resource.ts";
import { requireMayDelete } from "./rights.ts";
import { untilIdle } from "./states.ts";

export interface MakeRequest extends Work {
  readonly name: string;
  readonly maker: Maker;
  /** Whose data it is to hold: cloud, region, version, disk and key provider are as there. */
  readonly like: AtlasCluster;
  /** A server version that it must not be older than. */
  readonly serverMajor?: number | undefined;
  readonly declare: (resource: Resource) => Promise<void>;
  readonly withdraw?: ((resource: Resource) => Promise<void>) | undefined;
}

export interface MadeCluster {
  readonly cluster: AtlasCluster;
  readonly resource: Resource;
}

/** NAME_INVALID for what Atlas takes as no name; PROVIDER_REFUSED for one that is taken. */
export async function requireFreeName({ api }: Account, name: string, work?: Work): Promise<void> {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$/.test(name) || name[DISTINCT_LENGTH - 1] === "-") {
    throw new LifeboatError("NAME_INVALID", `"${name}" is not a valid name of an Atlas cluster`, {
      hint: `use at most 64 letters, digits and dashes, and no dash first; the first ${DISTINCT_LENGTH} must not end with one`,
    });
  }
  const other = inTheWayOf(await api.clusters(work), name);
  if (other === undefined) return;
  const why =
    other === name
      ? ""
      : `: Atlas tells clusters apart by the first ${DISTINCT_LENGTH} characters of their names, and ${name} begins alike`;
  throw new LifeboatError("PROVIDER_REFUSED", `there is a cluster ${other} already${why}`, { hint: "choose another name" });
}

/**
 * Makes one and uses it, all in one: when creation or `use` fails or is cancelled, the cluster is gone before this throws the first
 * cause. What `use` gives stays until the resource is undone.
 */
export async function withNewCluster<T>(account: Account, request: MakeRequest, use: (made: MadeCluster) => Promise<T>): Promise<T> {
  const { name, like, maker } = request;
  const spec = specOf(account, request); // refuses before anything is declared
  await requireFreeName(account, name, request);
  if (jobOfScratch(name) !== undefined) await requireMayDelete(account, spec.tier === "FLEX" ? "flex" : "dedicated", request);
  const resource = clusterResource(account, name);
  await request.declare(resource);
  try {
    request.signal?.throwIfAborted();
    await account.api.createCluster({ ...spec, name, tags: { [TAG]: tagOf(account, maker, name), "lifeboat-source": like.name } }, request);
    const cluster = await untilIdle(account, name, `the cluster ${name} (${spec.tier}) is being created`, request);
    return await use({ cluster, resource });
  } catch (error) {
    if (await isAnothers(account, error, { name, maker })) await request.withdraw?.(resource);
    else await removeAgain(account, resource, maker);
    throw error;
  }
}

/** Refuses what cannot be, before anything is made. */
export function specOf({ options }: Account, { like, serverMajor = 0 }: Pick<MakeRequest, "like" | "serverMajor">) {
  const { cloud, region, encryption, continuousRelease } = like;
  if (cloud === undefined || region === undefined) {
    throw new LifeboatError("PROVIDER_FAILED", `Atlas does not tell in which cloud and region ${like.name} is`);
  }
  const major = like.majorVersion ?? majorOf(like.version);
  const isNewer = serverMajor > Number.parseInt(major ?? "0", 10);
  return {
    cloud,
    region,
    ...scratchSize(like, options.scratchTier),
    majorVersion: isNewer ? `${serverMajor}.0` : major,
    continuousRelease: continuousRelease && !isNewer,
    encryption,
  };
}

const majorOf = (version: string | undefined): string | undefined => /^\d+\.\d+/.exec(version ?? "")?.[0];

/** The creation was refused because another cluster has the name: the job made nothing. */
async function isAnothers(account: Account, error: unknown, { name, maker }: Pick<MakeRequest, "name" | "maker">): Promise<boolean> {
  if (!isLifeboatError(error, "PROVIDER_REFUSED")) return false;
  const signal = AbortSignal.timeout(account.timeouts.outageMs);
  const found = await account.api.cluster(name, { signal }).catch(() => undefined);
  return found !== undefined && found.tags[TAG] !== tagOf(account, maker, name);
}

/** Looks after a creation whose answer never came: it may still show. */
const LATE_LOOKS = 4;

/** Without the job's signal: also when the job was cancelled. The journal has it, should this fail too: the first cause is reported. */
export async function removeAgain(account: Account, resource: Resource, maker: Maker): Promise<void> {
  const { timeouts, api } = account;
  const signal = AbortSignal.timeout(timeouts.deleteMs + timeouts.outageMs);
  try {
    for (let look = 0; look < LATE_LOOKS; look++) {
      if ((await api.cluster(resource.locator.name ?? "", { signal })) !== undefined) break;
      await sleep(timeouts.retryMs * 4, signal);
    }
    await undoCluster(account, resource.locator, maker, { signal });
  } catch {
    // Reported by the cleanup of the journal.
  }
}

interface Size {
  readonly name: string;
  readonly maxDiskGb: number;
}

/** Smallest, and cheapest, first. */
const SIZES: readonly Size[] = [
  { name: "M10", maxDiskGb: 128 },
  { name: "M20", maxDiskGb: 256 },
  { name: "M30", maxDiskGb: 512 },
  { name: "M40", maxDiskGb: 1024 },
  { name: "M50", maxDiskGb: 4096 },
];

/** What a scratch cluster is made of: the smallest size that takes the source's disk, or the one that was asked for. */
export function scratchSize(
  { name, kind, diskGb, tier }: AtlasCluster,
  wanted: string | undefined,
): { tier: string; diskGb?: number | undefined } {
  if (kind === "flex") return { tier: "FLEX" };
  if (wanted !== undefined) {
    if (!/^[MR]\d{2,3}(_GEN_2)?$/.test(wanted)) {
      throw new LifeboatError(
        "CONFIG_INVALID",
        `"${wanted}" is not a size of a scratch cluster: write one such as M10, without a local NVMe disk`,
      );
    }
    return { tier: wanted, diskGb };
  }
  const size = SIZES.find(({ maxDiskGb }) => maxDiskGb >= (diskGb ?? 0));
  if (size !== undefined) return { tier: size.name, diskGb };
  throw new LifeboatError("PROVIDER_LIMIT", `no common size of cluster takes the ${diskGb} GB of ${name} (${tier})`, {
    hint: "name one with `scratchTier` in the source",
  });
}
