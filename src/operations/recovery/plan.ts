// What every plan of a recovery carries: how the data is reached, what it reads, where it needs room, how long it takes, what it costs.
import { tmpdir } from "node:os";
import { resolve as absolute, dirname } from "node:path";
import { isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import { estimate, type MeasuredStep, type PlannedStep, type SecondsRange } from "../../core/estimate.ts";
import type { MergeFindings } from "../../core/merge-plan.ts";
import type { DiskNeed, Plan, PlanCode, PlanRefusal, PlanRoute, PlanStep } from "../../core/plan.ts";
import { askedOf, type RecoveryTarget, understood } from "../../core/recovery-target.ts";
import { counted, wordsOf } from "../../core/words.ts";
import { readErasures } from "../../repository/erasures.ts";
import { evidenceOf } from "../../repository/evidence.ts";
import { freeBytesIn, RESERVE_BYTES } from "../../repository/spool.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { withDigest } from "../plan-digest.ts";
import { historyControl } from "../points/look.ts";
import type { PointEntry } from "../points/points.ts";
import type { Replay } from "./replay.ts";
import type { Resolved, Route } from "./resolve.ts";

/** What the data is restored into. */
export type Destination = "scratch" | "database" | "directory" | "place" | "production" | "tables" | "preview" | "merge";

/** What a part of a plan adds to it. */
export interface PlanPart {
  readonly steps: readonly PlanStep[];
  readonly timed: readonly PlannedStep[];
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
  readonly readBytes?: number | undefined;
  readonly disks?: readonly Omit<DiskNeed, "freeBytes">[] | undefined;
  readonly cost?: string | undefined;
}

export interface PlanDraft {
  readonly verb: string;
  readonly source: Source;
  readonly resolved: Pick<Resolved, "asked" | "told" | "others">;
  readonly into: Destination;
  /** What was asked for, as plain data and without secrets. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly parts: readonly PlanPart[];
  readonly refusals?: readonly LifeboatError[] | undefined;
  readonly code?: readonly PlanCode[] | undefined;
  /** Of a merge: which rows it would change. */
  readonly merge?: MergeFindings | undefined;
  /** Rows that the erasure ledger keeps from a merge. Absent: they are not counted yet. */
  readonly erased?: number | undefined;
}

/** A restore that is ready: its plan, and what carries it out. */
export interface Prepared<T> {
  readonly plan: Plan;
  run(): Promise<T>;
}

export async function completePlan(context: Context, draft: PlanDraft, { signal }: Pick<Watch, "signal">): Promise<Plan> {
  const { verb, source, resolved, into, parts, code = [], refusals = [], merge } = draft;
  const { asked, told, others } = resolved;
  const present = presentOf(context);
  const disks = await Promise.all(parts.flatMap(({ disks = [] }) => disks).map(withFree));
  const past = await pastSteps(context, source.name, told.kind, into, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    return [];
  });
  const erase = verb === "preview" ? [] : await eraseStep(context, draft, signal);
  const costs = parts.flatMap(({ cost }) => cost ?? []);
  const plan: Plan = {
    verb,
    source: source.name,
    to: askedOf(asked, present),
    route: { ...told, holds: told.at === undefined ? undefined : understood(told.at, present) },
    ...(others && { otherRoutes: others }),
    steps: [...parts.flatMap(({ steps }) => steps), ...erase],
    refusals: [...refusals.map(({ code: why, message }) => ({ code: why, message })), ...disks.flatMap(refusalOf)],
    ...(code.length > 0 && { code }),
    ...(merge && { merge }),
    needs: { readBytes: parts.reduce((sum, { readBytes = 0 }) => sum + readBytes, 0), disks },
    estimate: estimate(
      parts.flatMap(({ timed }) => timed),
      past,
    ),
    ...(costs.length > 0 && { cost: costs.join("; ") }),
    facts: Object.assign({}, ...parts.map(({ facts }) => facts)),
  };
  return withDigest(plan, draft.request);
}

async function eraseStep(context: Context, { source, erased }: PlanDraft, signal: AbortSignal): Promise<PlanStep[]> {
  const { entries } = await readErasures(context.repository, source.name, signal);
  const acting = entries.filter(({ revoked }) => revoked === undefined).length;
  if (acting === 0) return [];
  const { row } = wordsOf(source.engine.name);
  const subject = erased === undefined ? `${acting} ${acting === 1 ? "entry" : "entries"}` : counted(erased, row);
  return [{ action: "erase", subject, effect: "none", reason: "it was erased on request, and stays so" }];
}

/** The plan of what cannot be resolved: refused, with the reason. */
export function refusedPlan(context: Context, verb: string, source: Source, asked: RecoveryTarget, error: LifeboatError): Plan {
  const refusals = [{ code: error.code, message: error.message }];
  return { verb, source: source.name, to: askedOf(asked, presentOf(context)), steps: [], refusals };
}

async function withFree({ directory, neededBytes }: Omit<DiskNeed, "freeBytes">): Promise<DiskNeed> {
  for (let at = absolute(directory); ; at = dirname(at)) {
    const freeBytes = await freeBytesIn(at).catch(() => null);
    if (freeBytes !== null || at === dirname(at)) return { directory, neededBytes, freeBytes };
  }
}

function refusalOf({ directory, neededBytes, freeBytes }: DiskNeed): PlanRefusal[] {
  if (freeBytes === null || freeBytes >= neededBytes) return [];
  return [{ code: "DISK_FULL", message: `${directory} has ${freeBytes} bytes free, and ${neededBytes} are required` }];
}

const MOST_JOBS = 5;
const MOST_READ = 25;

/** The steps of the newest restores and drills of this source of the same kind that did not fail. */
async function pastSteps(
  context: Context,
  source: string,
  kind: PlanRoute["kind"],
  into: Destination,
  signal: AbortSignal,
): Promise<(readonly MeasuredStep[])[]> {
  const past: (readonly MeasuredStep[])[] = [];
  for (const place of await placesOf(context)) {
    let read = 0;
    for await (const { route, verdict, steps } of evidenceOf(place, source, undefined, context.clock.now(), signal)) {
      if (route?.kind === kind && route.into === into && verdict !== "fail") past.push(steps);
      if (past.length >= MOST_JOBS || ++read >= MOST_READ) break;
    }
  }
  return past;
}

/** What the route itself does: before the data is loaded or proven, and, where log is replayed onto what was loaded, after it. */
export function routeParts(context: Context, source: Source, route: Route): { readonly before: PlanPart; readonly after: PlanPart } {
  if (route.kind === "provider") {
    const { place, cost } = historyControl(source);
    const { point, history } = route.target;
    const create: PlanStep = {
      action: "create-scratch",
      subject: `a scratch ${place} from ${point.name}`,
      effect: "create",
      reason: `it holds the data of ${point.snapshotAt}`,
    };
    const facts = { history: history.kind === "time" ? { kind: "time", at: history.at.toISOString() } : { ...history } };
    return { before: { steps: [...roundings(route.target), create], timed: [{ name: "create" }], facts, cost }, after: NOTHING };
  }
  if (route.kind === "cluster") return { before: clusterPart(context, route.replay, scratchIn(context)), after: NOTHING };
  const { entry, replay } = route.copy;
  const data = entry.manifest.parts.find(({ name }) => name === "data");
  const sizeBytes = data?.plain.sizeBytes ?? 0;
  const thawing = thawPart(context, entry);
  const before: PlanPart = {
    steps: [
      ...thawing.steps,
      {
        action: "fetch",
        subject: `${entry.point.name} (${entry.point.id})`,
        sizeBytes: entry.point.sizeBytes,
        effect: "none",
        reason: `it holds the data of ${entry.point.time.toISOString()}`,
      },
    ],
    timed: [...thawing.timed, { name: "fetch", sizeBytes }],
    readBytes: entry.point.sizeBytes + logBytes(replay),
    disks: [{ directory: context.spoolDirectory ?? tmpdir(), neededBytes: sizeBytes + RESERVE_BYTES }],
    facts: { backup: { id: entry.point.id, manifest: entry.digest }, ...logFacts(replay) },
    cost: thawing.cost,
  };
  if (replay === undefined) return { before, after: NOTHING };
  const timed = [{ name: "replay", sizeBytes: replay.chain.reduce((sum, { plain }) => sum + plain.sizeBytes, 0) }, { name: "read" }];
  return { before, after: { steps: [replayStep(replay)], timed } };
}

/** One place of the provider's that is restored several times: over itself where the provider can, else made anew. */
export function placePart(source: Source, restores: number): PlanPart {
  const { place, cost, recorded, over } = historyControl(source);
  const [made, again] = over === undefined ? [restores, 0] : [1, restores - 1];
  const create: PlanStep = {
    action: "create-scratch",
    subject: made === 1 ? `a scratch ${place}` : `a scratch ${place} for each of at most ${made} looks, one after another`,
    effect: "create",
    reason: "the check is run in it",
  };
  const restore: PlanStep = {
    action: "overwrite",
    subject: `the scratch ${place}`,
    object: `the data of other instants, at most ${counted(again, "time")}`,
    effect: "none",
    reason: "a new one would take longer",
  };
  const timed = [
    { name: "create", times: made, stated: recorded?.branch },
    ...(again > 0 ? [{ name: "restore", times: again, stated: recorded?.over }] : []),
  ];
  return { steps: again > 0 ? [create, restore] : [create], timed, cost: cost && `${counted(restores, "restore")} at most; ${cost}` };
}

/** Base backup and WAL, unpacked into a directory. */
export function clusterPart(context: Context, replay: Replay, directory: string): PlanPart {
  const { base, chain } = replay;
  const { name, id } = base.point;
  const baseBytes = base.manifest.parts.reduce((sum, { plain }) => sum + plain.sizeBytes, 0);
  const walBytes = chain.length * (base.manifest.base?.segmentBytes ?? 0);
  const thawing = thawPart(context, base);
  return {
    steps: [
      ...thawing.steps,
      {
        action: "fetch",
        subject: `base backup ${name} (${id})`,
        sizeBytes: base.point.sizeBytes,
        effect: "none",
        reason: replay.named ? "it was named" : `it is the newest before the target; it ended at ${base.manifest.base?.endedAt}`,
      },
      { action: "unpack", subject: "it", object: directory, effect: "create", reason: "the WAL is replayed onto it" },
      replayStep(replay),
    ],
    timed: [...thawing.timed, { name: "unpack", sizeBytes: baseBytes }, { name: "replay", sizeBytes: walBytes }],
    readBytes: base.point.sizeBytes + logBytes(replay),
    disks: [{ directory, neededBytes: baseBytes + walBytes }],
    facts: { backup: { id, manifest: base.digest }, ...logFacts(replay) },
    cost: thawing.cost,
  };
}

export const NOTHING: PlanPart = { steps: [], timed: [] };

export const scratchIn = ({ spoolDirectory }: Context): string => spoolDirectory ?? tmpdir();

export const roundings = ({ remarks, at }: { readonly remarks: readonly string[]; readonly at: Date }): PlanStep[] =>
  remarks.map((reason) => ({ action: "round-down", subject: at.toISOString(), effect: "none", reason }));

const logBytes = (replay: Replay | undefined): number => (replay?.chain ?? []).reduce((sum, { stored }) => sum + stored.sizeBytes, 0);

/** The end of `latest` moves on while the log is archived, and that is what was asked for. */
function logFacts(replay: Replay | undefined): Readonly<Record<string, unknown>> {
  if (replay === undefined) return {};
  const { timeline, expectedEnd, asked } = replay;
  return { log: { timeline, ...(asked.kind !== "latest" && { end: expectedEnd }) } };
}

function replayStep({ chain, expectedEnd, stopsAt }: Replay): PlanStep {
  const [first, last] = [chain[0], chain.at(-1)];
  return {
    action: "replay",
    subject:
      first === undefined || last === undefined
        ? "the log that the backup holds itself"
        : `${counted(chain.length, "log segment")}, ${first.name} to ${last.name},`,
    object: expectedEnd,
    effect: "none",
    reason: stopsAt === undefined ? "that is the end of what is proven" : `the next record is ${stopsAt}`,
  };
}

/** As Amazon states them for the standard retrieval that is asked for; none when the backup was restored from archive some days ago. */
const STATED_WAITS: Readonly<Record<string, SecondsRange>> = {
  GLACIER: { least: 0, most: 5 * 3600 },
  DEEP_ARCHIVE: { least: 0, most: 12 * 3600 },
};

function thawPart({ repository }: Context, { point }: PointEntry): PlanPart {
  const { storageClass } = point;
  if (storageClass === undefined || !repository.storage.capabilities.archivedClasses.includes(storageClass)) return NOTHING;
  const reason = `its storage class is ${storageClass}; hours are usual`;
  return {
    steps: [{ action: "thaw", subject: `${point.name} (${point.id})`, effect: "change", reason }],
    timed: [{ name: "thaw", stated: STATED_WAITS[storageClass] }],
    cost: `the storage bills the retrieval of ${point.sizeBytes} bytes from class ${storageClass}`,
  };
}
