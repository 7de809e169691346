// A cluster of our own making: declared, created, waited for; and gone again when anything goes wrong on the way.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Maker, Resource } from "../../ports/resource.ts";
import { sleep } from "../http/timeouts.ts";
import type { Account } from "./account.ts";
import type { AtlasCluster } from "./api/types.ts";
import { clusterResource, DISTINCT_LENGTH, inTheWayOf, jobOfScratch, TAG, tagOf, undoCluster } from "./resource.ts";
import { requireMayDelete } from "./rights.ts";
import { scratchSize } from "./sizes.ts";
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
      hint: `use letters, digits and dashes, at most 64; begin with a letter or digit, and let the first ${DISTINCT_LENGTH} not end with a dash`,
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
 * cause. What `use` gives stays until somebody undoes the resource.
 */
export async function withNewCluster<T>(account: Account, request: MakeRequest, use: (made: MadeCluster) => Promise<T>): Promise<T> {
  const { name, like, maker } = request;
  const wish = wishOf(account, request); // refuses before anything is declared
  await requireFreeName(account, name, request);
  if (jobOfScratch(name) !== undefined) await requireMayDelete(account, wish.tier === "FLEX" ? "flex" : "dedicated", request);
  const resource = clusterResource(account, name);
  await request.declare(resource);
  try {
    request.signal?.throwIfAborted();
    await account.api.createCluster({ ...wish, name, tags: { [TAG]: tagOf(account, maker, name), "lifeboat-source": like.name } }, request);
    const cluster = await untilIdle(account, name, `the cluster ${name} (${wish.tier}) is being created`, request);
    return await use({ cluster, resource });
  } catch (error) {
    if (await isAnothers(account, error, { name, maker })) await request.withdraw?.(resource);
    else await removeAgain(account, resource, maker);
    throw error;
  }
}

/** Refuses what cannot be, before anything is made. */
export function wishOf({ options }: Account, { like, serverMajor = 0 }: Pick<MakeRequest, "like" | "serverMajor">) {
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
    // Told by whoever cleans the journal up.
  }
}
