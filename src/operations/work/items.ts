// Work items: made from what is due, signed by the machine that puts them, and checked by the one that runs them.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { type Needs, textOfWork, type WorkItem } from "../../core/work.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireWriter, signerOf } from "../../repository/trust.ts";
import type { Context, Source } from "../context.ts";
import { pointsOf } from "../points/points.ts";
import { jobId } from "../schemas.ts";

/** Streams hold no more, however large the database is. */
const MEMORY_BYTES = 200_000_000;

/** Work that is due, as the schedule names it. */
interface Due {
  readonly key: string;
  readonly operation: string;
  readonly request: Readonly<Record<string, unknown>>;
}

/** Work as an item that any machine can run. Without a source, it is work on the storage alone. */
export async function itemOf(context: Context, source: Source | undefined, { key, operation, request }: Due): Promise<WorkItem> {
  return {
    ...{ key, operation, request },
    source: source?.name ?? null,
    provider: source?.providerName ?? null,
    needs: source === undefined ? { diskBytes: 0, memoryBytes: MEMORY_BYTES, labels: [] } : await needsOf(context, source, operation),
    notBefore: context.clock.now().toISOString(),
  };
}

/** What the operation takes of a machine, judged by the newest backup of the source. */
export async function needsOf(context: Context, source: Source, operation: string): Promise<Needs> {
  const labels = source.labels ?? [];
  const restores = operation === "drill" || operation === "restore" || operation === "recover";
  if (!restores) return { diskBytes: 0, memoryBytes: MEMORY_BYTES, labels };
  const newest = (await pointsOf(context, source.name)).at(-1);
  const spooled = newest?.manifest.parts.reduce((sum, { plain }) => sum + plain.sizeBytes, 0) ?? 0;
  // A backup is spooled before it is loaded; a server of another machine needs no space here.
  const loaded = source.scratchDirectory === undefined ? 0 : (newest?.manifest.sourceBytes ?? 0);
  return { diskBytes: spooled + loaded, memoryBytes: MEMORY_BYTES, labels };
}

/** Puts the items on the queue, signed. Returns the keys that were not there. KEY_MISSING, QUEUE_*. */
export function enqueue({ repository }: Pick<Context, "repository">, queue: Queue, items: readonly WorkItem[]): Promise<readonly string[]> {
  if (items.length === 0) return Promise.resolve([]);
  const writer = requireWriter(repository.trust);
  const signed = items.map((item) => ({ ...item, signature: Buffer.from(writer.sign(bytesOf(repository, item))).toString("base64") }));
  return queue.put(signed);
}

/** Puts what is due. Of the sources that were judged, it removes parked work that is no longer due: a later job made it. */
export async function offer(
  context: Pick<Context, "repository">,
  queue: Queue,
  due: readonly WorkItem[],
  judged: ReadonlySet<string>,
): Promise<readonly string[]> {
  const keys = new Set(due.map(({ key }) => key));
  for (const { item, state } of await queue.list()) {
    const isJudged = item.source !== null && judged.has(item.source) && item.request.due === true;
    if (state === "parked" && isJudged && !keys.has(item.key)) await queue.drop(item.key);
  }
  return enqueue(context, queue, due);
}

const bytesOf = ({ identity }: Repository, item: WorkItem): Buffer => Buffer.from(`lifeboat work ${identity.id} ${textOfWork(item)}`);

const actor = z.strictObject({
  kind: z.enum(["user", "person", "token", "service"]),
  name: z.string(),
  via: z.enum(["command line", "library", "api", "mcp", "schedule"]),
  from: z.optional(z.string()),
});

const itemSchema = z.strictObject({
  key: z.string().check(z.maxLength(500)),
  operation: z.string().check(z.maxLength(64)),
  request: z.record(z.string(), z.unknown()),
  source: z.nullable(z.string()),
  provider: z.nullable(z.string()),
  needs: z.strictObject({ diskBytes: z.number(), memoryBytes: z.number(), labels: z.array(z.string()) }),
  notBefore: z.iso.datetime(),
  caller: z.optional(z.strictObject({ job: jobId, actor })),
  signature: z.optional(z.string().check(z.maxLength(128))),
});

/** The item as a queue stored it. Undefined: it is not a work item. */
export function parseWork(stored: unknown): WorkItem | undefined {
  const parsed = itemSchema.safeParse(stored);
  return parsed.success ? parsed.data : undefined;
}

/** Refuses an item that no trusted key has signed for this repository: INTEGRITY. */
export function refuseForeign(repository: Repository, item: WorkItem): void {
  const signature = Buffer.from(item.signature ?? "", "base64");
  if (signerOf(repository.trust, bytesOf(repository, item), signature) !== undefined) return;
  throw new LifeboatError("INTEGRITY", `no trusted key has signed the work item ${item.key} for this repository`, {
    hint: "add the public key of the machine that put it to repository.signing.trusted; `lifeboat key show` prints it",
  });
}
