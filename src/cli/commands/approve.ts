// lifeboat approve PLAN
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { shown } from "../../core/visible.ts";
import type { OperationContext } from "../../operations/operation.ts";
import { approve } from "../../operations/verbs/approve.ts";
import { parseWriter, type Writer } from "../../repository/trust.ts";
import { type CommandCall, defineCommand } from "../command.ts";
import { writerOfFile } from "../key-files.ts";
import { withContext } from "../session.ts";
import { DEFAULT_APPROVER_FILE } from "./key.ts";

const DIGEST_LEAST = 12;

export const approveCommand = defineCommand({
  description:
    "Shows exactly what a frozen plan will do, and signs it with your own key: this plan with this digest, and nothing else. The key is read from --key, LIFEBOAT_APPROVER_KEY_FILE, LIFEBOAT_APPROVER_KEY (the PEM itself), or lifeboat-approver.pem; it never leaves this machine.",
  arguments: { approval: { type: text, required: true, help: "Id of the approval, as --request-approval printed it." } },
  options: {
    key: { type: path, value: "FILE", env: "LIFEBOAT_APPROVER_KEY_FILE", help: "File with your approver key, mode 0600." },
    digest: {
      type: text,
      value: "DIGEST",
      help: "The digest that you approve, or its first 12 digits: without it, you are asked. Another digest is refused.",
    },
  },
  json: true,
  examples: ["lifeboat approve 01kahd3m0q7zv2", "lifeboat approve 01kahd3m0q7zv2 --digest 3f6c0b8a91d2 --key ~/approver.pem"],
  run: (call) => withContext(call, (context) => approveWith(call, context, call.args.approval, call.options), true),
});

async function approveWith(
  call: CommandCall,
  context: OperationContext,
  approval: string,
  options: { readonly key: string | undefined; readonly digest: string | undefined },
) {
  const key = keyOf(call, options.key);
  const approver = context.approval?.approvers.find((one) => one.key.text === key.publicKey.text);
  if (approver === undefined)
    throw new LifeboatError("APPROVAL_INVALID", "your key is not one of an approver of this configuration: it was not approved", {
      hint: "put its public key, which `lifeboat key show FILE` prints, under approval.approvers",
    });
  const planned = await approve.plan?.run(context, { approval });
  if (planned === undefined) throw new TypeError("approve has a plan");
  const { digest, toSign } = planned;
  await confirm(call, shown(planned), options.digest);
  const signature = Buffer.from(key.sign(Buffer.from(toSign))).toString("base64");
  const result = await approve.run(context, { approval, approver: approver.name, signature });
  call.emit(
    result,
    () => `${call.paint.green("✓")} approved as ${approver.name}: ${result.operation} of ${result.source}, digest ${digest}`,
  );
  return EXIT.done;
}

type Planned = Awaited<ReturnType<NonNullable<(typeof approve)["plan"]>["run"]>>;

async function confirm(
  call: CommandCall,
  { digest, plan, requestedBy, expiresAt, request }: Planned,
  given: string | undefined,
): Promise<void> {
  if (given !== undefined) {
    const wanted = given.toLowerCase();
    if (wanted.length >= DIGEST_LEAST && digest.startsWith(wanted)) return;
    throw new LifeboatError("APPROVAL_INVALID", `the plan has digest ${digest}, not ${given}: it was not approved`);
  }
  const facts = `asked for by ${requestedBy}; request ${JSON.stringify(request)}; to be carried out before ${expiresAt}`;
  if (!call.json) call.stderr.write(`${renderPlan(plan)}\n${facts}\n`);
  if (!call.ask.possible)
    throw new LifeboatError("CONFIRMATION_NEEDED", "no one can be asked here", {
      hint: `if this is what you approve, run \`lifeboat approve ${call.args.approval} --digest ${digest.slice(0, DIGEST_LEAST)}\``,
    });
  const typed = await call.ask.text({ message: `Type ${digest.slice(0, DIGEST_LEAST)} to approve exactly this.`, flag: "--digest" });
  if (typed.trim().toLowerCase() !== digest.slice(0, DIGEST_LEAST))
    throw new LifeboatError("CANCELLED", "another text was typed: it was not approved");
}

function keyOf({ env, cwd }: CommandCall, file: string | undefined): Writer {
  const text = env.LIFEBOAT_APPROVER_KEY;
  if (file === undefined && text) return parseWriter(text, "LIFEBOAT_APPROVER_KEY");
  const target = file ?? resolve(cwd, DEFAULT_APPROVER_FILE);
  if (file === undefined && !existsSync(target))
    throw new LifeboatError("KEY_MISSING", "there is no approver key here", {
      hint: "make one with `lifeboat key approver FILE`, or name yours with --key",
    });
  return writerOfFile(target);
}
