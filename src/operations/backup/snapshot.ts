// Snapshot: a point that the provider holds, made for a rule of the policy, before a deployment, or by hand.
import { formatInstant } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import { NAME_PATTERNS, renderName, validateName } from "../../core/names.ts";
import { expectedExpiry } from "../../core/retention.ts";
import { expireSnapshots } from "../../core/snapshot-retention.ts";
import type { ProviderSnapshot, SnapshotControl } from "../../ports/control.ts";
import { thisOwner } from "../../repository/owner.ts";
import { addSnapshotRecord, type SnapshotRecord, storeSnapshotFingerprint } from "../../repository/snapshots.ts";
import type { Context, SnapshotRule, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import type { JobOrder } from "../jobs/records.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { pointMark } from "../jobs/undo-provider.ts";
import { lookInto } from "../points/look.ts";
import { type SnapshotEntry, snapshotRetention, snapshotsOf } from "../points/snapshots.ts";
import { holdNow } from "./backup-frame.ts";

export interface SnapshotRequest {
  readonly name?: string | undefined;
  /** The rule of the policy that it is made for. */
  readonly rule?: SnapshotRule | undefined;
  /** It serves the rule's slots up to this instant. Default: the instant at which it begins. */
  readonly servesTo?: Date | undefined;
  /** The deployment it is made before: held until released. */
  readonly preDeploy?: string | undefined;
  /** Overrides the policy's choice. */
  readonly form?: "branch" | "snapshot" | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly hold?: boolean | undefined;
  /** Read every table and record its fingerprint, so that a drill can compare. */
  readonly fingerprint?: boolean | undefined;
  /** As of the job's order: asked once the lease is held. */
  readonly confirm?: JobOrder["confirm"];
}

export interface SnapshotResult {
  readonly record: SnapshotRecord;
  readonly durationMs: number;
  /** When its provider removes it at the latest, regardless of the policy. Absent: never. */
  readonly providerEndsAt?: string | undefined;
}

/** Makes a snapshot. CAPABILITY_MISSING, PROVIDER_LIMIT (nothing was made), and what the provider throws. After any failure none is left. */
export async function snapshot(context: Context, source: Source, request: SnapshotRequest, watch: Watch): Promise<SnapshotResult> {
  const control = snapshotsControl(source);
  if (request.name !== undefined) validateName(request.name);
  const beganMs = context.clock.monotonicMs();
  return runJob(
    context,
    { verb: "snapshot", source: source.name, exclusive: true, confirm: request.confirm },
    watch,
    async (job) => {
      const servesTo = request.servesTo ?? context.clock.now();
      const work = { signal: job.signal, progress: watch.progress };
      const form = formOf(source, control, request);
      const name = await job.step("room", async () => {
        const entries = await snapshotsOf(context, source, work);
        await assertRoom(context, source, form, entries, watch);
        return freeName(source, request, context.clock.now(), entries, watch);
      });
      const resource = RESOURCE.snapshot(source.name, name, form, context.clock.now());
      await job.declare(resource);
      const made = await job.step("snapshot", () =>
        control.create({ name, form, mark: pointMark(job.maker, source.name, name), keep: keepOf(source, request), ...work }),
      );
      const note = endAtProvider(made, keepOf(source, request));
      if (note !== undefined) watch.progress.note(note);
      const fingerprint = request.fingerprint ? await takeFingerprint(context, source, job, made, watch) : undefined;
      const facts = {
        id: made.id,
        source: source.name,
        form,
        name: made.name,
        createdAt: made.createdAt.toISOString(),
        time: made.time.toISOString(),
        ...wordsOf(context, source, request, made.time),
        servesTo: servesTo.toISOString(),
        madeBy: `${thisOwner().user}@${thisOwner().host}`,
        job: job.id,
        fingerprint,
      };
      const record = await job.step("commit", async () => {
        await job.assertAlive();
        return addSnapshotRecord(context.repository, facts); // before this line the clean-up removes it, after it it stays
      });
      await job.withdraw(resource);
      return { record, durationMs: Math.round(context.clock.monotonicMs() - beganMs), providerEndsAt: made.expiresAt?.toISOString() };
    },
    ({ record }) => ({ point: record.id, name: record.name }),
  );
}

/** When a provider that keeps nothing without an end removes a point that is on hold or kept forever; undefined: it stays. */
function endAtProvider({ name, expiresAt }: ProviderSnapshot, keep: "held" | "forever" | undefined): string | undefined {
  if (keep === undefined || expiresAt === undefined) return undefined;
  const wanted = keep === "held" ? "on hold" : "to be kept forever";
  return `${name} is ${wanted}; its provider keeps nothing without an end and removes it on ${formatInstant(expiresAt)}`;
}

export function snapshotsControl(source: Source): SnapshotControl {
  const { snapshots } = source.provider;
  if (snapshots !== undefined) return snapshots;
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} holds no snapshots`, {
    hint: `run \`lifeboat backup ${source.name} --kind full\``,
  });
}

type Form = "branch" | "snapshot";

/** Chooses the form: the one asked for, that of the policy's points, or the provider's first. CAPABILITY_MISSING: the provider cannot make it. */
function formOf(source: Source, { forms }: SnapshotControl, request: SnapshotRequest): Form {
  const form = request.form ?? formOfPolicy(source, request) ?? forms[0] ?? "snapshot";
  if (forms.includes(form)) return form;
  throw new LifeboatError(
    "CAPABILITY_MISSING",
    `the provider of ${source.name} makes no ${form === "branch" ? "branches" : "snapshots"} as points`,
    {
      hint: `leave \`by\` out of the policy, or say ${forms.join(" or ")}`,
    },
  );
}

function formOfPolicy({ snapshotPolicy }: Source, { rule, preDeploy }: SnapshotRequest): Form | undefined {
  if (rule !== undefined) return rule.by === "provider" ? "snapshot" : rule.by;
  if (preDeploy !== undefined) return snapshotPolicy?.preDeploy.by;
  return snapshotPolicy?.rules.map(({ by }) => by).find((by): by is Form => by !== "provider");
}

/** A point on hold, or kept forever: the provider must not remove it either. */
function keepOf(source: Source, { rule, hold, preDeploy }: SnapshotRequest): "held" | "forever" | undefined {
  if (hold === true || preDeploy !== undefined) return "held";
  const isForever = expectedExpiry(rule === undefined ? [] : [rule.name], snapshotRetention(source), new Date(0)) === undefined;
  return isForever ? "forever" : undefined;
}

function wordsOf(context: Context, source: Source, request: SnapshotRequest, time: Date) {
  const { rule, preDeploy, note } = request;
  const reason = request.reason ?? (preDeploy === undefined ? undefined : `before the deployment of ${preDeploy}`);
  const onHold = request.hold === true || preDeploy !== undefined ? holdNow(context, reason) : undefined;
  const expiry =
    preDeploy === undefined ? expectedExpiry(rule === undefined ? [] : [rule.name], snapshotRetention(source), time) : undefined;
  return {
    rule: rule?.name,
    reason,
    note,
    preDeploy,
    // Of a manual point the rule for those decides, and may change; of a rule, this is what is expected today.
    expiresAt: rule === undefined ? undefined : expiry?.toISOString(),
    hold: onHold && { by: onHold.by, at: onHold.at.toISOString(), reason: onHold.reason },
  };
}

/** A name that no point and no branch has. USAGE: the requested name is taken. */
async function freeName(
  source: Source,
  request: SnapshotRequest,
  at: Date,
  entries: readonly SnapshotEntry[],
  watch: Watch,
): Promise<string> {
  const taken = new Set(entries.map(({ point }) => point.name));
  const isBranch = async (name: string): Promise<boolean> => (await source.provider.history?.find(name, watch)) !== undefined;
  if (request.name !== undefined) {
    if (!taken.has(request.name) && !(await isBranch(request.name))) return request.name;
    throw new LifeboatError("USAGE", `${source.name} has a branch or snapshot named ${request.name} already`, {
      hint: "give another --name, or none",
    });
  }
  const { rule, preDeploy: feature } = request;
  const preDeployName = source.snapshotPolicy?.preDeploy.name ?? NAME_PATTERNS.preDeploy;
  const pattern = rule?.name ?? (feature === undefined ? NAME_PATTERNS.manual : preDeployName);
  for (;;) {
    const name = renderName(pattern, { at, feature, taken });
    if (!(await isBranch(name))) return name;
    taken.add(name);
  }
}

/** The limit of the provider that each form counts against. */
const COUNTS: Readonly<Record<"branch" | "snapshot", string>> = { branch: "branches", snapshot: "snapshots" };

/** Throws PROVIDER_LIMIT with a next step before anything is made. Nothing is ever removed early to make room. */
export async function assertRoom(
  context: Context,
  source: Source,
  form: "branch" | "snapshot",
  entries: readonly SnapshotEntry[],
  watch: Watch,
): Promise<void> {
  const { limits } = (await source.provider.settings?.read(watch)) ?? { limits: [] };
  const limit = limits.find(({ name }) => name === COUNTS[form]);
  if (limit?.max === undefined || limit.used < limit.max) return;
  const { remove } = expireSnapshots(entries, snapshotRetention(source), context.clock.now(), { noRoom: true });
  const gone = remove.filter(({ point }) => entries.some(({ snapshot }) => snapshot.id === point.id && snapshot.form === form));
  const waiting = entries.filter(({ kept, snapshot }) => kept !== undefined && kept.acceptedAt === undefined && snapshot.form === form);
  const ways = [
    gone.length > 0 ? `${gone.length} have expired: run \`lifeboat expire ${source.name}\`` : undefined,
    waiting.length > 0
      ? `${waiting.length} are kept for a restore that is not accepted: run \`lifeboat accept ${waiting[0]?.kept?.job}\``
      : undefined,
    "remove or release what is no longer needed, or keep points for a shorter time",
    form === "branch" && source.provider.snapshots?.forms.includes("snapshot")
      ? "make the points of the policy snapshots of the provider (`by: snapshot`)"
      : undefined,
    "or raise the limit with a larger plan",
  ].filter((way) => way !== undefined);
  throw new LifeboatError(
    "PROVIDER_LIMIT",
    `${source.name} has no room for another ${form}: ${limit.used} of ${limit.max} ${limit.name} are in use; nothing was made`,
    { details: { limit: limit.name, used: limit.used, max: limit.max }, hint: ways.join("; ") },
  );
}

async function takeFingerprint(
  context: Context,
  source: Source,
  job: Job,
  made: Awaited<ReturnType<SnapshotControl["create"]>>,
  watch: Watch,
): Promise<SnapshotRecord["fingerprint"]> {
  const fingerprint = await lookInto(context, source, job, made, watch, (connection) =>
    job.step("fingerprint", () =>
      source.engine.fingerprint(connection, { kind: "full" }, { signal: job.signal, progress: watch.progress }),
    ),
  );
  return storeSnapshotFingerprint(context.repository.storage, source.name, made.id, fingerprint, context.sealKey, job.signal);
}
