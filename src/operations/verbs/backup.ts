// lifeboat backup: a backup of a source, a snapshot at its provider, or what is due.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { timeOfId } from "../../core/ids.ts";
import type { Manifest } from "../../core/manifest.ts";
import { type BackupResult, backup as backupSource } from "../backup/backup.ts";
import { makeDue } from "../backup/due.ts";
import { type SnapshotResult, snapshot as takeSnapshot } from "../backup/snapshot.ts";
import type { Context, Source } from "../context.ts";
import { exitOfFailures, type OperationContext, operation } from "../operation.ts";
import { snapshotsOf } from "../points/snapshots.ts";
import { about, bytes, failure, inSeconds, instant, madeBy, orNull, pointKind, seconds, sourceName, tiers } from "../schemas.ts";
import { failureOf, sourceNamed, sourcesNamed } from "../sources.ts";

export const BACKUP_CHOICES = ["full", "data", "schema", "tables", "base", "snapshot"] as const;

const text = (help: string) => z.optional(about(z.string(), help));
const flag = (help: string) => z.optional(about(z.boolean(), help));

const request = z.strictObject({
  source: z.optional(about(sourceName, "Default: the only one; with `due`, all.")),
  kind: z.optional(about(z.enum(BACKUP_CHOICES), "Default: snapshot where the policy has snapshots, else full.")),
  tables: z.optional(about(z.array(z.string()), "Tables or patterns: implies the kind `tables`.")),
  name: text("Name of the restore point. Default: by the policy's pattern."),
  tier: text("Tier of the policy it is made for."),
  due: flag("What the policy says is due is made, and nothing else."),
  preDeploy: text("The deployment that it is taken before."),
  rolePasswords: flag("The password hashes of the roles are part of it. Default: as the source is configured."),
  reason: text("Why it is made."),
  note: text("Free text."),
  hold: flag("It is put on hold at once."),
  fingerprint: flag("Of a snapshot: its data is read and fingerprinted."),
});

export const made = z.strictObject({
  id: z.string(),
  name: z.string(),
  source: sourceName,
  kind: pointKind,
  time: about(instant, "The instant whose data it holds."),
  tiers,
  madeBy,
  reason: about(orNull(z.string()), "Why it was made."),
  note: orNull(z.string()),
  held: about(z.boolean(), "It is on hold."),
  expiresAt: orNull(instant),
  seconds: about(seconds, "How long it took."),
  sizeBytes: about(orNull(bytes), "As stored. Null: the provider holds it."),
  plainBytes: about(orNull(bytes), "Before compression and encryption."),
  sourceBytes: about(orNull(bytes), "The size at the source."),
  fingerprint: orNull(about(z.custom<NonNullable<Manifest["fingerprint"]>>(), "As in the manifest.")),
  base: orNull(about(z.custom<NonNullable<Manifest["base"]>>(), "Of a base backup, as in the manifest.")),
  engine: about(z.string(), "`postgres` or `mongodb`."),
  notIncluded: z.readonly(
    z.array(
      z.strictObject({ kind: about(z.string(), "Kind of the definition."), object: about(z.string(), "Its name."), reason: z.string() }),
    ),
  ),
  form: about(orNull(z.enum(["branch", "snapshot"])), "How the provider holds it. Null: the repository holds it."),
  providerEndsAt: about(orNull(instant), "When the provider removes it at the latest, regardless of the policy."),
  warnings: z.readonly(z.array(z.string())),
});

export const backup = operation({
  name: "backup",
  access: "backup",
  oneJob: ({ due }) => !due,
  request,
  result: z.strictObject({
    made: z.array(made),
    failures: z.array(z.strictObject({ ...failure.shape, what: about(z.string(), "What was due.") })),
  }),

  async run(context, asked) {
    if (asked.due) {
      refuseBeside("--due", asked, ["kind", "tables", "name", "tier", "preDeploy", "hold"]);
      return backupDue(context, asked);
    }
    return { made: [await backupOne(context, sourceOf(context, asked), asked)], failures: [] };
  },

  async found(context, asked, job) {
    const source = sourceOf(context, asked);
    if (kindOf(source, asked) === "snapshot") {
      const taken = (await snapshotsOf(context, source, context)).find(({ record }) => record?.job === job && record.kept === undefined);
      if (taken?.record === undefined) return undefined;
      const { record, snapshot } = taken;
      const durationMs = Math.max(0, Date.parse(record.createdAt) - timeOfId(job).getTime());
      const providerEndsAt = snapshot.expiresAt?.toISOString();
      return { made: [snapshotJson(source, { record, durationMs, providerEndsAt })], failures: [] };
    }
    const entries = await context.catalog.entries(source.name, context.signal);
    const manifest = entries.find(({ manifest: { madeBy: by }, point }) => by.job === job && point.unsigned === undefined)?.manifest;
    if (manifest === undefined) return undefined;
    const durationMs = Date.parse(manifest.endedAt) - Date.parse(manifest.startedAt);
    return { made: [backupJson({ manifest, warnings: [], durationMs })], failures: [] };
  },

  exit: ({ failures }) => exitOfFailures(failures) ?? EXIT.done,
});

type Request = z.infer<typeof request>;
type Made = z.infer<typeof made>;

/** The source named, or the only one. */
function sourceOf(context: Context, { source }: Request): Source {
  if (source !== undefined) return sourceNamed(context, source);
  const [only, ...others] = context.sources.values();
  if (only !== undefined && others.length === 0) return only;
  throw new LifeboatError("USAGE", `the source to back up is missing (there are ${[...context.sources.keys()].join(", ")})`, {
    hint: "run `lifeboat backup NAME`, or `lifeboat backup --due` for what the policies ask",
  });
}

async function backupDue(context: OperationContext, { source, reason, note, fingerprint }: Request) {
  const { made: done, failed } = await makeDue(context, sourcesNamed(context, source), { reason, note, fingerprint }, context);
  return {
    made: done.map((one) => ("record" in one ? snapshotJson(context.sources.get(one.record.source), one) : backupJson(one))),
    failures: failed.map(({ source: of, what, error }) => ({ ...failureOf(of, error), what })),
  };
}

async function backupOne(context: OperationContext, source: Source, asked: Request): Promise<Made> {
  const { name, preDeploy, reason, note, hold, fingerprint, tier, tables, rolePasswords } = asked;
  const kind = kindOf(source, asked);
  if (kind === "snapshot") {
    refuseBeside("--kind snapshot", asked, ["tables"]);
    const rule = tier === undefined ? undefined : ruleOf(source, tier);
    return snapshotJson(source, await takeSnapshot(context, source, { name, rule, preDeploy, reason, note, hold, fingerprint }, context));
  }
  refuseBeside(`--kind ${kind}`, asked, ["fingerprint"]);
  const tiers = tier === undefined ? undefined : [tier];
  return backupJson(
    await backupSource(context, source, { kind, tables, rolePasswords, name, tiers, preDeploy, reason, note, hold }, context),
  );
}

function kindOf(source: Source, { kind, tables, tier, preDeploy }: Request): (typeof BACKUP_CHOICES)[number] {
  if (tables !== undefined) return "tables";
  if (kind !== undefined) return kind === "full" && source.tables !== undefined ? "tables" : kind;
  const rules = source.snapshotPolicy?.rules ?? [];
  const atProvider = source.managed === true && (rules.length > 0 || preDeploy !== undefined);
  const ofDumps = tier !== undefined && source.policy.tiers.some((one) => one.tier === tier);
  if (atProvider && !ofDumps) return "snapshot";
  return source.tables === undefined ? "full" : "tables";
}

function ruleOf(source: Source, wanted: string) {
  const rules = source.snapshotPolicy?.rules ?? [];
  const rule = rules.find(({ name }) => name === wanted);
  if (rule !== undefined) return rule;
  const known = rules.map(({ name }) => name).join(", ") || "none";
  throw new LifeboatError("USAGE", `the policy of ${source.name} has no rule of snapshots ${wanted} (it has: ${known})`);
}

/** Options that mean nothing beside another are refused, not ignored. */
function refuseBeside(what: string, asked: Request, options: readonly (keyof Request)[]): void {
  const given = options.find((option) => asked[option] !== undefined && asked[option] !== false);
  if (given === undefined) return;
  const option = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new LifeboatError("USAGE", `${option} has no meaning beside ${what}`);
}

function backupJson({ manifest, warnings, durationMs }: BackupResult): Made {
  const total = (of: "stored" | "plain"): number => manifest.parts.reduce((sum, part) => sum + part[of].sizeBytes, 0);
  return {
    id: manifest.id,
    name: manifest.name,
    source: manifest.source,
    kind: manifest.kind,
    time: manifest.snapshotAt,
    tiers: manifest.tiers,
    madeBy: `${manifest.madeBy.user}@${manifest.madeBy.host}`,
    reason: manifest.reason ?? null,
    note: manifest.note ?? null,
    held: false,
    expiresAt: manifest.expiresAt ?? null,
    seconds: inSeconds(durationMs),
    sizeBytes: total("stored"),
    plainBytes: total("plain"),
    sourceBytes: manifest.sourceBytes,
    fingerprint: manifest.fingerprint ?? null,
    base: manifest.base ?? null,
    engine: manifest.engine,
    notIncluded: manifest.notIncluded,
    form: null,
    providerEndsAt: null,
    warnings,
  };
}

const snapshotJson = (source: Source | undefined, { record, durationMs, providerEndsAt }: SnapshotResult): Made => ({
  id: record.id,
  name: record.name,
  source: record.source,
  kind: "snapshot",
  time: record.time,
  tiers: record.rule === undefined ? [] : [record.rule],
  madeBy: record.madeBy,
  reason: record.reason ?? null,
  note: record.note ?? null,
  held: record.hold !== undefined,
  expiresAt: record.expiresAt ?? null,
  seconds: inSeconds(durationMs),
  sizeBytes: null,
  plainBytes: null,
  sourceBytes: null,
  fingerprint: null,
  base: null,
  engine: source?.engine.name ?? "",
  notIncluded: [],
  form: record.form,
  providerEndsAt: providerEndsAt ?? null,
  warnings: [],
});
