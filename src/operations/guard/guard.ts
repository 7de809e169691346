// Guard: a change of a source with a way back. A point is taken and proven reachable, the command runs, then the source's checks and the
// application's health are asked, for as long as wanted. On failure it says what changed, and sets production back when that was decided.
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Check, judge, type Verdict } from "../../core/verdict.ts";
import type { ProgramEnd, Programs } from "../../ports/programs.ts";
import { type GuardRecord, readGuard, writeGuard } from "../../repository/guards.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import type { Restored } from "../recovery/restore-request.ts";
import { askAfterwards } from "./afterwards.ts";
import {
  changeInWords,
  changesSince,
  type GuardPoint,
  instantOf,
  releasePoint,
  rollBackCommand,
  takePoint,
  type WayBack,
  wayInWords,
} from "./point.ts";
import { logEnd, setBack } from "./position.ts";
import { type GuardedCommand, rehearse, type Trial } from "./rehearse.ts";

export interface GuardRequest {
  /** What the change is called; the point is named for it. */
  readonly feature: string;
  readonly command: readonly string[];
  /** A failure sets production back without asking. */
  readonly rollback?: boolean | undefined;
  /** How long the application is watched after the command. Default: it is asked once. */
  readonly watchMs?: number | undefined;
  /** Variables that name the database; the command runs against a scratch copy first, which they name then. */
  readonly rehearse?: readonly string[] | undefined;
  /** Where the standard output of the command goes. Default: stdout. */
  readonly output?: "stdout" | "stderr" | undefined;
  /** Run nothing: set production back after a guard of this name that failed. */
  readonly settle?: boolean | undefined;
  /** The source's name: an interrupted guard of another machine may be rolled back. */
  readonly yes?: string | undefined;
}

export interface Guarded {
  readonly job: string;
  readonly feature: string;
  readonly point: GuardPoint;
  readonly outcome: "succeeded" | "failed" | "rolled back" | "refused by trial";
  /** The interrupted guard that this one continued. */
  readonly continued?: string | undefined;
  /** Absent: it ran in an earlier guard, or not at all. */
  readonly command?: GuardedCommand | undefined;
  readonly trial?: Trial | undefined;
  readonly checks: readonly Check[];
  /** Why it failed, worst first. */
  readonly reasons: readonly string[];
  /** What differs from the point, one sentence each, when it failed. */
  readonly changes: readonly string[];
  /** The commands that set production back by hand, the one that loses least first. */
  readonly by?: readonly string[] | undefined;
  /** The position in the log right before the command. Absent: there is no archive that could reach it. */
  readonly position?: string | undefined;
  /** What setting back loses beside the change: the time between the way back and the command. Absent: no command ran, or not known. */
  readonly lossMs?: number | undefined;
  readonly rollback?:
    | { readonly job: string; readonly to: string; readonly verdict: Verdict; readonly kept?: Restored["kept"] }
    | undefined;
  /** When the point expires, after success. */
  readonly expiresAt?: Date | undefined;
}

export async function guard(context: Context, source: Source, request: GuardRequest, watch: Watch): Promise<Guarded> {
  const { programs } = context;
  if (programs === undefined) throw new LifeboatError("CAPABILITY_MISSING", "programs are not run here");
  if (request.command.length === 0 && request.settle !== true)
    throw new LifeboatError("USAGE", "there is no command to guard", {
      hint: `add it after --, as in \`lifeboat guard ${source.name} --feature ${request.feature} -- npm run migrate\``,
    });
  const interrupted = await interruptedGuard(context, source, request, watch);
  return runJob(
    context,
    { verb: "guard", source: source.name, exclusive: true },
    watch,
    (job) => new Guarding(context, source, request, programs, job, watch).run(interrupted),
    ({ outcome, point, command }) => ({ outcome, point: point.id, ...(command && { status: command.status ?? command.signal }) }),
  );
}

/** A guard whose process died. USAGE, CONFIRMATION_NEEDED: it must be decided upon first. */
async function interruptedGuard(
  context: Context,
  source: Source,
  request: GuardRequest,
  { signal }: Watch,
): Promise<GuardRecord | undefined> {
  const found = await readGuard(context.repository, source.name, signal);
  const open = found !== undefined && found.stage !== "ended" && (found.stage !== "failed" || request.settle === true);
  if (!open && request.settle === true) throw new LifeboatError("USAGE", `no guarded change of ${source.name} waits to be set back`);
  if (!open) return undefined;
  const { feature, job, point, stage } = found;
  const what = `the guarded change ${feature} of ${source.name} was interrupted (job ${job}, point ${point.name})`;
  if (feature !== request.feature)
    throw new LifeboatError("USAGE", `${what}: it comes first`, { hint: `repeat its command, with --feature ${feature}` });
  // A storage can be made to show an old state: on another machine, or after a clean-up, the operator must know of it.
  if (stage !== "failed" && context.repository.memory.jobState(job) !== "running" && request.yes !== source.name)
    throw new LifeboatError("CONFIRMATION_NEEDED", what, { hint: `repeat the command with --yes ${source.name} to end it first` });
  if (stage === "command" && !found.rollback && request.rollback !== true && source.approval !== true)
    throw new LifeboatError("CONFIRMATION_NEEDED", `${what} while its command ran, so production may be half changed`, {
      hint: `repeat the command with --rollback, which sets ${source.name} back to ${point.name}`,
    });
  return found;
}

class Guarding {
  readonly #context: Context;
  readonly #source: Source;
  readonly #request: GuardRequest;
  readonly #programs: Programs;
  readonly #job: Job;
  /** Of the operations that it uses: each is a job of its own. */
  readonly #inner: Watch;
  #before: Pick<GuardRecord, "position" | "commandAt"> = {};

  constructor(context: Context, source: Source, request: GuardRequest, programs: Programs, job: Job, { progress, actor }: Watch) {
    this.#context = context;
    this.#source = source;
    this.#request = request;
    this.#programs = programs;
    this.#job = job;
    this.#inner = { signal: job.signal, progress: progress.fork?.() ?? progress, actor, command: `for the guarded change, job ${job.id}` };
  }

  async run(interrupted: GuardRecord | undefined): Promise<Guarded> {
    const { feature } = this.#request;
    const common = { job: this.#job.id, feature, checks: [], reasons: [], changes: [] };
    if (interrupted !== undefined) return this.#continue(interrupted, common);
    const point = await this.#job.step("point", () => takePoint(this.#context, this.#source, feature, this.#inner));
    this.#job.decide(`production can be set back to ${point.name} (${point.id})`, "it was taken and read before anything runs");
    const trial = await this.#rehearse(point);
    if (trial !== undefined) this.#job.decide(`the trial on a copy ended with ${endInWords(trial.command)}`);
    if (trial !== undefined && trial.command.status !== 0) {
      const expiresAt = await releasePoint(this.#context, this.#source, point, this.#inner);
      const reasons = [`the trial ended with ${endInWords(trial.command)}; production was not touched`];
      return { ...common, point, trial, outcome: "refused by trial", reasons, expiresAt };
    }
    await this.#noteBefore(point);
    await this.#write(point, "command");
    const command = await this.#runCommand();
    this.#job.decide(`the command ended with ${endInWords(command)}`);
    const found = { ...common, point, command, trial, ...(await this.#loss(point)) };
    if (command.status !== 0) return this.#failed(found, [`the command ended with ${endInWords(command)}`]);
    await this.#write(point, "checks");
    return this.#afterwards(found);
  }

  async #continue({ job: continued, point, stage, position, commandAt }: GuardRecord, common: Common): Promise<Guarded> {
    this.#before = { position, commandAt };
    const found = { ...common, point, continued, ...(await this.#loss(point)) };
    this.#job.decide(`job ${continued} is continued`, stage === "checks" ? "its process ended before the checks" : INTERRUPTED[stage]);
    // Its children may have survived it.
    await this.#programs.endMarked(continued);
    if (stage === "checks" || this.#source.approval !== true) await this.#write(point, stage === "checks" ? "checks" : "rollback");
    if (stage === "checks") return this.#afterwards(found);
    // What takes approval is not set back here: the guard ends, and says by which restore it can be.
    return this.#failed(found, [INTERRUPTED[stage]], this.#source.approval !== true);
  }

  async #rehearse(point: GuardPoint): Promise<Trial | undefined> {
    const { rehearse: variables, command, output = "stdout" } = this.#request;
    if (variables === undefined) return undefined;
    return rehearse(this.#context, this.#source, { point, variables, command, output }, this.#programs, this.#job, this.#inner);
  }

  /** What an application commits between the point and the command is not part of the change. */
  async #noteBefore(point: GuardPoint): Promise<void> {
    const end = await this.#job.step("log position", () => logEnd(this.#context, this.#source, this.#inner));
    const position = "position" in end ? end.position : undefined;
    this.#before = { position, commandAt: this.#context.clock.now().toISOString() };
    const back = `a failure can be set back to ${position === undefined ? point.name : `log position ${position}`}`;
    this.#job.decide(back, "why" in end ? `what is committed between ${point.name} and the command would be lost: ${end.why}` : undefined);
  }

  async #loss(point: GuardPoint, to?: WayBack): Promise<Pick<Guarded, "position" | "lossMs">> {
    const { position, commandAt } = this.#before;
    if (commandAt === undefined) return {};
    if (to === undefined ? position !== undefined : to.kind === "lsn") return { position, lossMs: 0 };
    // A figure of the report: that it cannot be had must keep no failed change from being set back.
    const from = await instantOf(this.#context, this.#source, point).catch((error: unknown) => {
      if (!isLifeboatError(error) || error.code === "BUG") throw error;
      return undefined;
    });
    return { position, lossMs: from && Math.max(0, Date.parse(commandAt) - from.getTime()) };
  }

  async #runCommand(): Promise<GuardedCommand> {
    const { command: argv, output = "stdout" } = this.#request;
    const { clock } = this.#context;
    const { id, signal } = this.#job;
    return this.#job.step("command", async () => {
      const startedMs = clock.monotonicMs();
      const { status, signal: by } = await this.#programs.run({ argv, output, mark: id, signal });
      return { status, signal: by, ms: clock.monotonicMs() - startedMs };
    });
  }

  async #afterwards(found: Found): Promise<Guarded> {
    const { watchMs = 0 } = this.#request;
    const checks = await this.#job.step("checks", () => askAfterwards(this.#context, this.#source, watchMs, this.#inner));
    const failed = checks.filter(({ outcome }) => outcome === "fail");
    if (failed.length > 0) return this.#failed({ ...found, checks }, judge(failed).reasons);
    const expiresAt = await this.#job.step("release", () => releasePoint(this.#context, this.#source, found.point, this.#inner));
    await this.#write(found.point, "ended");
    this.#job.decide("verdict: the change succeeded", `${found.point.name} is released`);
    return { ...found, checks, outcome: "succeeded", expiresAt };
  }

  /** The point stays on hold: a failed change keeps it. */
  async #failed(found: Found, reasons: readonly string[], decided = this.#request.rollback === true): Promise<Guarded> {
    const changes = await this.#job.step("compare", () => this.#changes(found.point));
    for (const change of changes) this.#job.decide(`changed: ${change}`);
    if (!decided) {
      this.#job.decide("verdict: the change failed, and production is left as it is", reasons.join("; "));
      await this.#write(found.point, "failed");
      const ways = waysBack(found.point, this.#before.position);
      return { ...found, reasons, changes, outcome: "failed", by: ways.map((way) => rollBackCommand(this.#source, way)) };
    }
    await this.#write(found.point, "rollback");
    const ways = waysBack(found.point, this.#before.position);
    const { to, restored } = await this.#job.step("roll back", () =>
      setBack(this.#context, this.#source, { ways, reasons }, this.#job, this.#inner),
    );
    await this.#write(found.point, "ended");
    const { evidence, kept } = restored;
    const rollback = { job: evidence.id, to: wayInWords(to), verdict: evidence.verdict, kept };
    this.#job.decide(
      `verdict: rolled back by job ${evidence.id}: ${evidence.verdict}`,
      kept && `the failed change is kept as ${kept.name}`,
    );
    const common = { ...found, changes, rollback, ...(await this.#loss(found.point, to)) };
    if (evidence.verdict !== "fail") return { ...common, reasons, outcome: "rolled back" };
    return { ...common, reasons: [...reasons, ...evidence.reasons], outcome: "failed" };
  }

  async #changes(point: GuardPoint): Promise<readonly string[]> {
    try {
      return (await changesSince(this.#context, this.#source, point, this.#inner)).map(changeInWords);
    } catch (error) {
      this.#job.signal.throwIfAborted();
      return [`what changed could not be read: ${asLifeboatError(error).message}`];
    }
  }

  async #write(point: GuardPoint, stage: GuardRecord["stage"]): Promise<void> {
    const { feature, rollback = false } = this.#request;
    await this.#job.assertAlive();
    const startedAt = this.#job.record.startedAt;
    await writeGuard(this.#context.repository, {
      format: 1,
      source: this.#source.name,
      feature,
      job: this.#job.id,
      startedAt,
      stage,
      rollback,
      point,
      ...this.#before,
    });
  }
}

/** The one that loses least first. */
const waysBack = ({ id, name }: GuardPoint, position: string | undefined): readonly [...WayBack[], WayBack] => [
  ...(position === undefined ? [] : [{ kind: "lsn", lsn: position } as const]),
  { kind: "point", name: id, called: name },
];

const INTERRUPTED = {
  command: "the process of the guard ended while its command ran",
  failed: "the change had failed, and was to be set back",
  rollback: "the process of the guard ended while it set production back",
  ended: "nothing was left to do",
} as const;

type Common = Pick<Guarded, "job" | "feature" | "checks" | "reasons" | "changes">;
type Found = Omit<Guarded, "outcome">;

/** `status 3`, `SIGKILL`. */
export const endInWords = ({ status, signal }: Pick<ProgramEnd, "status" | "signal">): string => signal ?? `status ${status}`;
