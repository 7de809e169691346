// Accept: an operator says that a restore or promotion is good. What it replaced at a provider expires from then on; a database that was
// kept is dropped.
import { LifeboatError } from "../../core/errors.ts";
import { isId, timeOfId } from "../../core/ids.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { jobsSince } from "../../repository/journals.ts";
import { thisOwner } from "../../repository/owner.ts";
import { changeSnapshotRecord, listSnapshotRecords, type SnapshotRecord } from "../../repository/snapshots.ts";
import type { Context, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { runJob } from "../jobs/job.ts";
import { makerOf } from "../jobs/maker.ts";
import { databaseMark, serverOf } from "../jobs/undo.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";

/** How long what a restore replaced is kept after it was accepted (R8). */
export const KEEP_ACCEPTED_MS = 7 * 86_400_000;

export interface Accepted {
  readonly job: string;
  readonly source: string;
  readonly kept: { readonly id: string; readonly name: string };
  readonly acceptedAt: Date;
  /** When it is removed; absent: it is gone. */
  readonly expiresAt?: Date | undefined;
}

export interface AcceptRequest {
  /** The job's id or the beginning of it. */
  readonly job: string;
  /** The source's name, as confirmation: a kept database is dropped at once. */
  readonly yes?: string | undefined;
  /** The digest that the plan must have: PLAN_CHANGED otherwise. */
  readonly planDigest?: string | undefined;
}

/** What accepting the job would delete, and the source that it was of. JOB_UNKNOWN, POINT_AMBIGUOUS. */
export async function planAccept(context: Context, request: AcceptRequest, watch: Watch): Promise<Plan> {
  const records = await keptRecords(context, watch);
  const record = recordOf(records, request.job);
  const database = record === undefined ? await findKeptDatabase(context, request.job, watch) : undefined;
  const found = record ?? database;
  if (found === undefined) throw unknownJob(records, request.job);
  const { source, name } = found;
  const job = database?.job ?? record?.kept?.job ?? request.job;
  const step: PlanStep =
    database === undefined
      ? { action: "expire-kept", subject: name, effect: "remove", reason: "what was restored is good" }
      : { action: "drop-kept", subject: `database ${name} on ${database.server}`, effect: "remove", reason: "what was restored is good" };
  return withDigest({ verb: "accept", source, steps: [step], refusals: [], facts: { job, kept: name } }, { job });
}

/** Accepts what the job did. Doing it twice changes nothing. JOB_UNKNOWN, POINT_AMBIGUOUS; CONFIRMATION_NEEDED before a database is dropped. */
export async function accept(context: Context, request: AcceptRequest, watch: Watch): Promise<Accepted> {
  if (request.planDigest !== undefined) requireDigest((await planAccept(context, request, watch)).digest, request.planDigest);
  // Few files of their own say what is kept at a provider; a database is found by reading journals.
  const records = await keptRecords(context, watch);
  const record = recordOf(records, request.job);
  if (record === undefined) {
    const database = await findKeptDatabase(context, request.job, watch);
    if (database === undefined) throw unknownJob(records, request.job);
    return dropKept(context, database, request, watch);
  }
  const { source, id, name, kept } = record;
  const job = kept?.job ?? request.job;
  const acceptedAt = kept?.acceptedAt === undefined ? context.clock.now() : new Date(kept.acceptedAt);
  const expiresAt = new Date(acceptedAt.getTime() + KEEP_ACCEPTED_MS);
  if (kept?.acceptedAt === undefined) {
    await runJob(
      context,
      { verb: "accept", source },
      watch,
      (run) =>
        run.step("mark", () =>
          changeSnapshotRecord(context.repository, source, id, {
            kept: { job, acceptedAt: acceptedAt.toISOString() },
            expiresAt: expiresAt.toISOString(),
            note: `accepted by ${thisOwner().user}@${thisOwner().host}`,
          }),
        ),
      () => ({ accepted: job, kept: name }),
    );
  }
  return { job, source, kept: { id, name }, acceptedAt, expiresAt };
}

interface KeptDatabase {
  readonly job: string;
  readonly source: string;
  readonly server: string;
  readonly name: string;
}

/** How far back a job is looked for of which only the beginning of the id is known. */
const LOOK_BACK_MS = 400 * 86_400_000;

/** The journal says where to look; that it is what the job replaced, the mark upon it says. */
async function findKeptDatabase(context: Context, wanted: string, { signal }: Watch): Promise<KeptDatabase | undefined> {
  const typed = wanted.toLowerCase();
  const found: KeptDatabase[] = [];
  for (const place of await placesOf(context)) {
    const since = isId(typed) ? new Date(timeOfId(typed).getTime() - 1000) : new Date(context.clock.now().getTime() - LOOK_BACK_MS);
    for await (const { id, source, resources } of jobsSince(place, since, signal)) {
      const kept = typed !== "" && id.startsWith(typed) ? resources.find(({ kind }) => kind === "kept-database") : undefined;
      if (kept !== undefined) found.push({ job: id, source, server: kept.locator.server ?? "", name: kept.locator.name ?? "" });
    }
  }
  if (found.length > 1) throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} jobs begin with ${wanted}`);
  return found[0];
}

async function dropKept(context: Context, database: KeptDatabase, { yes }: AcceptRequest, watch: Watch): Promise<Accepted> {
  const { job, source, server, name } = database;
  const found = context.sources.get(source);
  const connection = found && (await serverOf(context, found, server, name));
  if (found === undefined || connection === undefined) {
    throw new LifeboatError("CAPABILITY_MISSING", `${name} was kept on ${server}, which is not the server of a source here`, {
      hint: `when it can go, drop ${name} on its server`,
    });
  }
  const { exists, occupants } = await found.engine.stateOf(found.engine.resolveTarget(connection, name), watch);
  const accepted = { job, source, kept: { id: name, name }, acceptedAt: context.clock.now() };
  if (!exists) return accepted;
  if (yes !== source) {
    throw new LifeboatError("CONFIRMATION_NEEDED", `database ${name}, which holds ${occupants.slice(0, 3).join(", ")}, would be dropped`, {
      hint: `run \`lifeboat accept ${job} --yes ${source}\` when you are sure`,
    });
  }
  const place = (await placesOf(context)).find(({ trust }) => trust.writer !== undefined) ?? context.repository;
  const mark = databaseMark(
    makerOf(() => place, job),
    server,
    name,
  );
  await runJob(
    context,
    { verb: "accept", source, aside: true },
    watch,
    (run) => run.step("drop", () => found.engine.dropDatabase(connection, name, { mark, signal: run.signal })),
    () => ({ accepted: job, dropped: name }),
  );
  return accepted;
}

/** What is kept at providers, accepted or not. */
async function keptRecords(context: Context, { signal }: Watch): Promise<SnapshotRecord[]> {
  const all: SnapshotRecord[] = [];
  for (const source of context.sources.keys()) {
    const records = await listSnapshotRecords(context.repository, source, signal);
    all.push(...[...records.values()].filter(({ kept }) => kept !== undefined));
  }
  return all;
}

function recordOf(records: readonly SnapshotRecord[], wanted: string): SnapshotRecord | undefined {
  if (wanted === "") return undefined;
  const found = records.filter(({ kept }) => kept?.job.startsWith(wanted.toLowerCase()));
  if (found.length > 1) throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} jobs begin with ${wanted}`);
  return found[0];
}

function unknownJob(records: readonly SnapshotRecord[], wanted: string): LifeboatError {
  const waiting = records.filter(({ kept }) => kept?.acceptedAt === undefined).map(({ kept }) => kept?.job);
  const there = waiting.length === 0 ? "no job waits to be accepted" : `these wait to be accepted: ${waiting.join(", ")}`;
  return new LifeboatError("JOB_UNKNOWN", `no restore or promotion that replaced anything is called ${wanted} (${there})`);
}
