// lifeboat jobs, lifeboat jobs show, lifeboat jobs recover.
import * as z from "zod/mini";
import { chronologyOf } from "../../core/chronology.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { isId } from "../../core/ids.ts";
import type { Resource } from "../../ports/resource.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { findJob, jobsSince } from "../../repository/journals.ts";
import type { Repository } from "../../repository/repository.ts";
import { presentOf } from "../context.ts";
import { bringOver } from "../jobs/bring-over.ts";
import { factsOf } from "../jobs/facts.ts";
import { holdersOf, placesOf } from "../jobs/holders.ts";
import { nameOfOrphan, recoverOrphans } from "../jobs/orphans.ts";
import { discardFlaws, recoverJobs } from "../jobs/recover.ts";
import { resourceInWords } from "../jobs/undo.ts";
import { type OperationContext, operation } from "../operation.ts";
import { chronologyEvent, step, timeZone } from "../recovery/schemas.ts";
import { about, count, inSeconds, instant, jobId, nextAction, orNull, seconds, sourceName } from "../schemas.ts";

const DEFAULT_LIMIT = 20;

const resource = {
  kind: about(z.string(), "`database`, `spool`, `neon-branch`, …"),
  locator: about(z.record(z.string(), z.string()), "Where it is found again."),
  what: about(z.string(), "The same in words."),
};

const resourceJson = ({ kind, locator }: Resource) => ({ kind, locator, what: resourceInWords({ kind, locator }) });

const job = z.strictObject({
  id: jobId,
  verb: about(z.string(), "The operation."),
  source: sourceName,
  state: about(z.enum(["running", "done", "failed", "abandoned"]), "`abandoned`: its process died, and nothing has cleaned up yet."),
  startedAt: instant,
  endedAt: orNull(instant),
  seconds: about(orNull(seconds), "How long it took."),
  steps: z.array(step),
  error: orNull(z.strictObject({ code: about(z.string(), "As in docs/errors.md."), message: z.string() })),
  result: about(z.record(z.string(), z.unknown()), "What it made: a restore point's id, a verdict."),
  owner: about(z.strictObject({ user: z.string(), host: z.string(), pid: count }), "The process that ran it."),
  resources: about(
    z.array(z.strictObject({ ...resource, goneAt: about(orNull(instant), "When it was removed, or was made to stay.") })),
    "What it made.",
  ),
});

export const jobs = operation({
  name: "jobs",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    source: z.optional(sourceName),
    failed: z.optional(about(z.boolean(), "Only those that failed, or whose process died.")),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1)), `Default: ${DEFAULT_LIMIT}.`)),
  }),
  result: z.strictObject({ jobs: z.array(job), flaws: about(z.array(z.string()), "What among the leases is not a valid lease.") }),

  async run(context, { source, failed, limit = DEFAULT_LIMIT }) {
    const { holders, flaws } = await holdersOf(context, context.signal);
    const dead = new Set(holders.flatMap(({ record, abandoned }) => (abandoned ? [record.job] : [])));
    const found: z.infer<typeof job>[] = [];
    for (const place of await placesOf(context)) {
      let taken = 0;
      for await (const record of journalsOf(context, place)) {
        const one = jobJson(record, dead.has(record.id));
        if (source !== undefined && one.source !== source) continue;
        if (failed && one.state !== "failed" && one.state !== "abandoned") continue;
        found.push(one);
        if (++taken === limit) break;
      }
    }
    found.sort((a, b) => (a.startedAt > b.startedAt ? -1 : 1)).splice(limit);
    return { jobs: found, flaws: flaws.map(({ message }) => message) };
  },
});

/** Yields all journals of the place, newest first. */
const journalsOf = ({ repository, catalog, signal }: OperationContext, place: Repository): AsyncIterable<JobRecord> =>
  place === repository ? catalog.jobsSince(new Date(0), signal) : jobsSince(place, new Date(0), signal);

function jobJson(record: JobRecord, isDead: boolean): z.infer<typeof job> {
  const { id, verb, source, state, startedAt, endedAt, steps, error, result, owner, resources } = record;
  return {
    id,
    verb,
    source,
    state: state === "running" && isDead ? "abandoned" : state,
    startedAt,
    endedAt: endedAt ?? null,
    // Its clock may have been set back meanwhile.
    seconds: endedAt === undefined || endedAt < startedAt ? null : inSeconds(Date.parse(endedAt) - Date.parse(startedAt)),
    steps: steps.map(({ name, ms }) => ({ name, seconds: ms === undefined ? null : inSeconds(ms) })),
    error: error === undefined ? null : { code: error.code, message: error.message },
    result: { ...result },
    owner: { user: owner.user, host: owner.host, pid: owner.pid },
    resources: resources.map((one) => ({ ...resourceJson(one), goneAt: one.goneAt ?? null })),
  };
}

export const showJobs = operation({
  name: "jobs show",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    jobs: about(z.array(jobId).check(z.minLength(1)), "Ids of jobs, or their beginnings. Several become one chronology."),
  }),
  result: z.strictObject({
    jobs: z.array(job),
    events: about(z.array(chronologyEvent), "What was asked, decided and done, oldest first."),
    timeZone,
    next: z.array(nextAction),
  }),

  async run(context, { jobs: wanted }) {
    const { holders } = await holdersOf(context, context.signal);
    const dead = new Set(holders.flatMap(({ record, abandoned }) => (abandoned ? [record.job] : [])));
    const records: JobRecord[] = [];
    for (const id of wanted) records.push(await jobNamed(context, id));
    return {
      jobs: records.map((record) => jobJson(record, dead.has(record.id))),
      events: chronologyOf(records.map(factsOf), presentOf(context)),
      timeZone: context.timeZone(),
      next: records.flatMap((record) => nextOf(record, dead.has(record.id))),
    };
  },
});

/** JOB_UNKNOWN; POINT_AMBIGUOUS when several ids begin so. */
async function jobNamed(context: OperationContext, wanted: string): Promise<JobRecord> {
  const typed = wanted.toLowerCase();
  const found = new Map<string, JobRecord>();
  for (const place of await placesOf(context)) {
    if (isId(typed)) {
      const record = await findJob(place, typed, context.signal);
      if (record !== undefined) return record;
    } else if (typed !== "") {
      for await (const record of journalsOf(context, place)) if (record.id.startsWith(typed)) found.set(record.id, record);
    }
  }
  const [one, ...others] = found.values();
  if (others.length > 0)
    throw new LifeboatError("POINT_AMBIGUOUS", `${found.size} jobs begin with ${wanted}`, {
      hint: `give the whole id: ${[...found.keys()].slice(0, 3).join(", ")}`,
    });
  if (one === undefined) throw new LifeboatError("JOB_UNKNOWN", `there is no job ${wanted}`);
  return one;
}

/** What can be done about it now, as far as its journal tells. */
function nextOf({ id, source, result = {}, state }: JobRecord, isDead: boolean): z.infer<typeof nextAction>[] {
  if (state === "running") return isDead ? [{ commands: ["lifeboat jobs recover"], text: `to clean up after ${id}` }] : [];
  return [
    ...(result.kept === undefined ? [] : [{ commands: [`lifeboat accept ${id} --yes ${source}`], text: `when ${result.kept} can go` }]),
    ...(result.undo === undefined ? [] : [{ commands: [`lifeboat undo ${id} --plan`], text: "to see what an undo would change" }]),
  ];
}

export const recoverJobsOperation = operation({
  name: "jobs recover",
  access: "backup",
  request: z.strictObject({}),
  result: z.strictObject({
    recovered: about(
      z.array(
        z.strictObject({
          job: jobId,
          verb: about(z.string(), "The operation."),
          source: sourceName,
          startedAt: instant,
          removed: z.array(z.strictObject(resource)),
          left: about(
            z.array(z.strictObject({ ...resource, why: about(z.string(), "Why it could not be removed.") })),
            "It is tried again at the next start.",
          ),
          says: about(z.readonly(z.array(z.string())), "The state of production, where the job had begun to change it."),
        }),
      ),
      "Jobs whose process had died.",
    ),
    discarded: about(
      z.readonly(z.array(z.strictObject({ name: z.string(), message: z.string(), removed: about(z.boolean(), "It is gone.") }))),
      "Files among the leases that are not valid leases.",
    ),
    brought: about(
      z.array(z.strictObject({ name: z.string(), left: about(orNull(z.string()), "Why it is not in the repository yet.") })),
      "Records that were filed on this machine.",
    ),
    orphans: about(
      z.array(
        z.strictObject({
          source: sourceName,
          job: jobId,
          name: z.string(),
          kind: about(z.string(), "Kind of the resource."),
          outcome: about(z.enum(["removed", "unknown", "left"]), "`unknown`: it does not carry the proof of a job of this writer."),
          message: z.string(),
        }),
      ),
      "Scratch at the providers that no job is responsible for.",
    ),
  }),

  async run(context) {
    const recovered = await recoverJobs(context, context.progress);
    const discarded = await discardFlaws(context);
    const brought = await bringOver(context);
    const orphans = await recoverOrphans(context, context);
    return {
      recovered: recovered.map(({ job: id, verb, source, startedAt, removed, left, says }) => ({
        job: id,
        verb,
        source,
        startedAt,
        removed: removed.map(resourceJson),
        left: left.map((one) => ({ ...resourceJson(one), why: one.why })),
        says,
      })),
      discarded,
      brought: brought.map(({ name, left }) => ({ name, left: left ?? null })),
      orphans: orphans.map((one) => ({
        source: one.source,
        job: one.job,
        name: nameOfOrphan(one),
        kind: one.resource.kind,
        outcome: one.outcome,
        message: one.message,
      })),
    };
  },

  exit({ recovered, discarded, orphans }) {
    const isLeft =
      recovered.some(({ left }) => left.length > 0) ||
      discarded.some(({ removed }) => !removed) ||
      orphans.some(({ outcome }) => outcome !== "removed");
    return isLeft ? EXIT.inconclusive : EXIT.done;
  },
});
