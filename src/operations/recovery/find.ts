// Find: the last instant at which a check held, by looking at the history of a source in scratch. Production is not touched.
import { LifeboatError } from "../../core/errors.ts";
import type { LogChange, Micros } from "../../core/log.ts";
import { dateOfMicros } from "../../core/micros.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { inWords, type RecoveryTarget, targetInWords, type Understood, understood } from "../../core/recovery-target.ts";
import { mostLooks, type Searched, search } from "../../core/search.ts";
import { counted } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Probe } from "../../ports/probe.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { removing } from "../points/look.ts";
import { pastOf } from "./past.ts";
import type { Past } from "./places.ts";
import { completePlan } from "./plan.ts";

export interface FindRequest {
  readonly check: Probe;
  readonly good: RecoveryTarget;
  /** A time, or `latest`. */
  readonly bad: RecoveryTarget;
  /** For each time that the check is run. Default: 30 s. */
  readonly timeoutMs?: number | undefined;
}

export interface Look {
  readonly at: Micros;
  readonly holds: boolean;
  /** What the check said. */
  readonly message: string;
}

export interface Found {
  readonly job: string;
  /** What was looked at, in words. */
  readonly by: string;
  /** The last instant at which the check held. */
  readonly lastTrue: Understood;
  /** The recovery target that brings its data back, as a restore is told it: a position where the route has one. */
  readonly target: string;
  /** The first instant at which it did not. */
  readonly firstFalse: Understood;
  /** The two are at most a second apart, and the check broke once. */
  readonly exact: boolean;
  /** What happened between the two, oldest first; of very many, the first ones. Undefined: the route does not tell. */
  readonly changes?: readonly LogChange[] | undefined;
  readonly changeCount?: number | undefined;
  /** Every change of the check that was seen, when it was not one: it flaps. */
  readonly flips: readonly { readonly after: Micros; readonly until: Micros; readonly holds: boolean }[];
  /** In the order of time. */
  readonly looks: readonly Look[];
}

const TIMEOUT_MS = 30_000;
/** Looks that only see whether the check flaps, where each look is a restore of its own. */
const EXTRA_LOOKS = 4;

/**
 * USAGE when the check did not hold at the good instant or still holds at the bad one; QUERY_REFUSED when it has no answer;
 * RECOVERY_TARGET_OUTSIDE_WINDOW, NO_RESTORE_POINT.
 */
export async function find(context: Context, source: Source, request: FindRequest, watch: Watch): Promise<Found> {
  const past = await pastBetween(context, source, request, watch);
  return runJob(
    context,
    { verb: "find", source: source.name, aside: true },
    watch,
    (job) =>
      removing(
        async () => past.end?.(),
        async () => {
          const { good, bad } = request;
          job.decide(`search from ${targetInWords(good)} to ${targetInWords(bad)} by ${past.by}`);
          const looks = new Map<number, Look>();
          const searching = search(searchOf(past));
          let next = searching.next();
          while (next.done !== true) {
            const places = next.value;
            for (const { place, look } of await lookAt(source, past, places, request, job, watch)) looks.set(place, look);
            next = searching.next(places.map((place) => looks.get(place)?.holds === true));
          }
          const found = concluded(context, past, next.value, looks, job);
          const why = found.exact ? undefined : "not exact: the check changed more than once, or no nearer instant can be looked at";
          job.decide(`the check held last at ${found.lastTrue.at}, and was broken at ${found.firstFalse.at}`, why);
          return found;
        },
      ),
    ({ lastTrue, firstFalse }) => ({ lastTrue: lastTrue.at, firstFalse: firstFalse.at }),
  );
}

/** What a search would look at, at most. Nothing is restored; a log is read. */
export async function planFind(context: Context, source: Source, request: FindRequest, watch: Watch): Promise<Plan> {
  const past = await pastBetween(context, source, request, watch);
  const most = mostLooks(searchOf(past));
  const { check, good, bad } = request;
  const query: PlanStep = {
    action: "query",
    subject: `at most ${most.places} of ${counted(past.last + 1, "state")} of the data, ${most.passes === 1 ? "in one pass" : `in at most ${most.passes} passes`}`,
    effect: "none",
    reason: "a check that breaks once; one that flaps is looked at more often",
  };
  const removal: PlanStep = {
    action: "remove-scratch",
    subject: "each scratch place",
    effect: "none",
    reason: "the search leaves nothing",
  };
  const told = { kind: past.kind, what: past.by, why: "it reaches both instants" };
  return completePlan(
    context,
    {
      verb: "find",
      source,
      resolved: { asked: good, told },
      into: "scratch",
      request: { good: targetInWords(good), bad: targetInWords(bad), check },
      parts: [past.plan(most), { steps: [query, removal], timed: [], facts: { states: past.last + 1 } }],
    },
    watch,
  );
}

async function pastBetween(context: Context, source: Source, { good, bad }: FindRequest, watch: Watch): Promise<Past> {
  if (good.kind !== "time") throw new LifeboatError("USAGE", "--good is not a time", { hint: "give a time at which the check held" });
  if (bad.kind !== "time" && bad.kind !== "latest") throw new LifeboatError("USAGE", "--bad is neither a time nor `latest`");
  const to = bad.kind === "time" ? bad.at : undefined;
  if (to !== undefined && to <= good.at) throw new LifeboatError("USAGE", "--good does not lie before --bad");
  const past = await pastOf(context, source, good.at, to, watch);
  if (past.last < 1) throw new LifeboatError("USAGE", `nothing changed in ${source.name} between --good and --bad`);
  return past;
}

const searchOf = ({ last, width }: Past) => ({ last, width, extra: EXTRA_LOOKS });

async function lookAt(source: Source, past: Past, places: readonly number[], request: FindRequest, job: Job, watch: Watch) {
  return past.look(
    places,
    async (connection, place) => {
      const at = past.until(place);
      const asking = (there: Connection | undefined) => ask(source, there, dateOfMicros(at), request, job, watch);
      let answer = await asking(connection);
      // What has no answer at the first place is not a valid check; later, a transaction that was open there may keep it from one.
      if (answer.holds === undefined && place > 0) answer = (await past.lookAlone?.(place, asking, job)) ?? answer;
      const { holds, message } = answer;
      if (holds === undefined) throw new LifeboatError("QUERY_REFUSED", `the check has no answer at ${at}: ${message}`);
      job.decide(`${at}: the check ${holds ? "held" : "did not hold"}`, message);
      watch.progress.note(`${at}: ${holds ? "held" : "did not hold"} (${message})`);
      return { place, look: { at, holds, message } };
    },
    job,
  );
}

async function ask(
  source: Source,
  connection: Connection | undefined,
  asOf: Date,
  { check, timeoutMs = TIMEOUT_MS }: FindRequest,
  job: Job,
  watch: Watch,
): Promise<{ readonly holds: boolean | undefined; readonly message: string }> {
  if (connection === undefined) return { holds: false, message: "there is no such database" };
  const work = { signal: job.signal, progress: watch.progress, timeoutMs, absentFails: true, mayHaveExpired: true };
  const checks = await source.engine.probe(connection, [check], asOf, work);
  const failed = checks.find(({ outcome }) => outcome === "fail");
  if (failed !== undefined) return { holds: false, message: failed.message };
  const unclear = checks.find(({ outcome }) => outcome === "inconclusive");
  if (unclear !== undefined) return { holds: undefined, message: unclear.message };
  const last = checks.at(-1);
  return last === undefined ? { holds: undefined, message: "nothing was asked" } : { holds: true, message: last.message };
}

function concluded(context: Context, past: Past, { held: last, flips }: Searched, looks: ReadonlyMap<number, Look>, job: Job): Found {
  const present = presentOf(context);
  const edge = (place: number): string => inWords(understood(past.until(place), present));
  if (last === undefined) {
    const [first, final] = [looks.get(0), looks.get(past.last)];
    if (first?.holds === false)
      throw new LifeboatError("USAGE", `the check did not hold at ${edge(0)}: ${first.message}`, { hint: "give --good an earlier time" });
    throw new LifeboatError("USAGE", `the check still held at ${edge(past.last)}: ${final?.message ?? ""}`, {
      hint: "give --bad a later time, or another check",
    });
  }
  const [heldAt, brokeAt] = [past.until(last), past.at(last + 1)];
  const apartMs = dateOfMicros(brokeAt).getTime() - dateOfMicros(heldAt).getTime();
  const changes = past.changes(last + 1);
  return {
    job: job.id,
    by: past.by,
    lastTrue: understood(heldAt, present),
    target: past.target?.(last) ?? heldAt,
    firstFalse: understood(brokeAt, present),
    exact: apartMs <= 1000 && flips.length === 1,
    changes: changes?.first,
    changeCount: changes?.count,
    flips: flips.map(({ after, until, holds }) => ({ after: past.until(after), until: past.at(until), holds })),
    looks: [...looks].sort(([a], [b]) => a - b).map(([, look]) => look),
  };
}
