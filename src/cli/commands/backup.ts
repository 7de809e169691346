// lifeboat backup [SOURCE]
import { appendFile } from "node:fs/promises";
import type * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { listOf } from "../../core/option.ts";
import { flag, oneOf, path, text } from "../../core/option-types.ts";
import { BACKUP_CHOICES, backup } from "../../operations/verbs/backup.ts";
import { defineCommand } from "../command.ts";
import { renderMade } from "../render/backup.ts";
import { renderFailures } from "../render/failures.ts";
import { perform } from "../session.ts";

export const backupCommand = defineCommand({
  description:
    "Dumps the source from one snapshot, fingerprints the same snapshot, and seals both on their way to the repository: compressed, encrypted, checksummed, without a local copy. The manifest is written last, so a backup that failed does not count as one. With `--kind snapshot` the provider holds the point instead (a branch, or a snapshot of its own), and the repository holds what the provider does not know of it: why, by whom, until when. With `--due` it makes what the policy says is due now, including base backups for its window, and nothing else.",
  arguments: { source: { type: text, help: "Name of the source. Default: the only one; with --due, all." } },
  options: {
    kind: {
      type: oneOf(BACKUP_CHOICES),
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
    rolePasswords: {
      type: flag,
      help: "Put the password hashes of the roles into the backup too; It takes a superuser, or a role that may read pg_authid. Default: `rolePasswords` of the source.",
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
  run(call) {
    const { deployLog, ...options } = call.options;
    const { paint } = call;
    return perform(
      call,
      backup,
      { ...call.args, ...options },
      ({ made, failures }) =>
        [...made.map((one) => renderMade(one, paint)), ...renderFailures(failures, paint)].join("\n\n") || "nothing is due",
      async (result) => {
        if (deployLog !== undefined) for (const one of result.made) await appendDeployLog(deployLog, one);
        return result;
      },
    );
  },
});

type Made = z.infer<typeof backup.result>["made"][number];

/** Appends `instant  source  name (id)  by  reason  note`, separated by tabs. USAGE when the file cannot be written. */
async function appendDeployLog(file: string, { time, source, name, id, madeBy, reason, note }: Made): Promise<void> {
  const fields = [time, source, `${name} (${id})`, madeBy, reason ?? "-", note ?? "-"];
  const line = fields.map((field) => field.replace(/\s+/g, " ").trim()).join("\t");
  try {
    await appendFile(file, `${line}\n`); // one write, so that two at once mix lines and never halves of lines
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new LifeboatError("USAGE", `${name} of ${source} was made, but the deployment log ${file} cannot be written (${code})`, {
      cause,
      hint: "name a file in a folder that you may write to, and add the line by hand",
    });
  }
}
