// lifeboat backup [SOURCE]

import { EXIT, LifeboatError } from "../../core/errors.ts";
import { listOf } from "../../core/option.ts";
import { flag, oneOf, path, text } from "../../core/option-types.ts";
import { type BackupRequest, backup } from "../../operations/backup/backup.ts";
import { appendDeployLog } from "../../operations/backup/deploy-log.ts";
import { makeDue } from "../../operations/backup/due.ts";
import { snapshot } from "../../operations/backup/snapshot.ts";
import type { Source } from "../../operations/context.ts";
import { defineCommand } from "../command.ts";
import { backupJson, renderBackup, renderDue, renderSnapshot, snapshotJson } from "../render/backup.ts";
import { sourceNamed, sourcesNamed, withContext } from "../session.ts";

const KINDS = ["full", "data", "schema", "tables", "base", "snapshot"] as const;

export const backupCommand = defineCommand({
  description:
    "Dumps the source from one snapshot, fingerprints the same snapshot, and seals both on their way to the repository: compressed, encrypted, checksummed, without a local copy. The manifest is written last, so a backup that failed is no backup. With `--kind snapshot` the provider holds the point instead (a branch, or a snapshot of its own), and the repository holds what the provider does not know of it: why, by whom, until when. With `--due` it makes whatever the policy says is due now, base backups for its window among them, and nothing else.",
  arguments: { source: { type: text, help: "Name of the source. Needed, except with --due." } },
  options: {
    kind: {
      type: oneOf(KINDS),
      value: "KIND",
      help: "What it takes: everything, rows only, definitions only, chosen tables, a base backup of the whole server, or a snapshot that the provider holds. Default: snapshot where the policy has snapshots, else full.",
    },
    tables: { type: listOf(text), value: "A,B", help: "Tables or patterns, for `--kind tables` (which it implies)." },
    name: { type: text, value: "NAME", help: "Name of the restore point. Default: by the policy's pattern." },
    tier: {
      type: text,
      value: "TIER",
      help: "Tier of the policy it is made for, as in a cron line: it gives name, storage class and expiry.",
    },
    due: { type: flag, help: "Make what the policy says is due now, of this source or of all. Nothing due is success." },
    preDeploy: {
      type: text,
      value: "FEATURE",
      help: "Taken before a deployment: named for it, and on hold until `release`, from when the policy's keep counts. A deployment that failed keeps its point.",
    },
    reason: { type: text, value: "TEXT", help: "Why it is made.", example: '"pre-migration, schema v1.5"' },
    note: { type: text, value: "TEXT", help: "Anything a reader should know." },
    hold: { type: flag, help: "Put it on hold at once: it never expires until released." },
    fingerprint: { type: flag, help: "For a snapshot: read every table and keep what it equals, so that drills can compare." },
    deployLog: { type: path, value: "FILE", help: "Append one line about it to this file." },
  },
  json: true,
  examples: [
    "lifeboat backup shop",
    'lifeboat backup shop --reason "pre-migration, schema v1.5" --hold',
    "lifeboat backup shop --tables users,orders",
    "lifeboat backup shop --pre-deploy checkout-v2 --deploy-log deployments.log",
    "lifeboat backup --due",
  ],
  async run(call) {
    const { options, args, paint } = call;
    const { reason, note, name, hold, preDeploy, fingerprint, deployLog } = options;
    if (options.due) {
      refuseBeside("--due", { kind: options.kind, tables: options.tables, name, tier: options.tier, preDeploy, hold, deployLog });
      return withContext(call, async (context, watch) => {
        const result = await makeDue(context, sourcesNamed(context, args.source), { reason, note, fingerprint }, watch);
        const failed = result.failed.map(({ source, what, error }) => ({
          source,
          what,
          code: error.code,
          message: error.message,
          hint: error.hint,
        }));
        call.emit({ made: result.made, failed }, () => renderDue(result, paint));
        return result.failed[0]?.error.exit ?? EXIT.done;
      });
    }
    if (args.source === undefined) throw new LifeboatError("USAGE", "say which source to back up, or --due");
    const sourceName = args.source;
    return withContext(call, async (context, watch) => {
      const source = sourceNamed(context, sourceName);
      const kind = kindOf(source, options);
      if (kind === "snapshot") {
        refuseBeside("--kind snapshot", { tables: options.tables });
        const { tier } = options;
        const rule = tier === undefined ? undefined : ruleOf(source, tier);
        const made = await snapshot(context, source, { name, rule, preDeploy, reason, note, hold, fingerprint }, watch);
        if (deployLog !== undefined) await appendDeployLog(deployLog, { ...made.record, at: new Date(made.record.createdAt) });
        call.emit(snapshotJson(made), () => renderSnapshot(made, paint));
        return EXIT.done;
      }
      refuseBeside(`--kind ${kind}`, { fingerprint });
      const tiers = options.tier === undefined ? undefined : [options.tier];
      const request: BackupRequest = { kind, tables: options.tables, name, tiers, preDeploy, reason, note, hold };
      const made = await backup(context, source, request, watch);
      const { manifest } = made;
      const by = `${manifest.madeBy.user}@${manifest.madeBy.host}`;
      if (deployLog !== undefined) await appendDeployLog(deployLog, { ...manifest, madeBy: by, at: new Date(manifest.snapshotAt) });
      call.emit(backupJson(made), () => renderBackup(made, paint));
      return EXIT.done;
    });
  },
});

interface Choice {
  readonly kind?: (typeof KINDS)[number] | undefined;
  readonly tables?: readonly string[] | undefined;
  readonly tier?: string | undefined;
  readonly preDeploy?: string | undefined;
}

function kindOf(source: Source, { kind, tables, tier, preDeploy }: Choice): (typeof KINDS)[number] {
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
function refuseBeside(what: string, options: Readonly<Record<string, unknown>>): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined && value !== false);
  if (given === undefined) return;
  const option = `--${given[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new LifeboatError("USAGE", `${option} has no meaning beside ${what}`);
}
