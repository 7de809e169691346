// lifeboat verify POINT
import { text } from "../../core/option-types.ts";
import { verify } from "../../operations/verbs/verify.ts";
import { defineCommand } from "../command.ts";
import { renderChecks } from "../render/finding.ts";
import { perform } from "../session.ts";

export const verifyCommand = defineCommand({
  description:
    "Reads every stored byte of a backup and compares it with the manifest. With the identity at hand the seal is opened as well, so that the plain bytes are proven too; without it the result is bytes only, and the backup does not count as verified. Damage gives exit status 30.",
  arguments: { point: { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } },
  options: {},
  json: true,
  run(call) {
    const { paint } = call;
    return perform(call, verify, call.args, ({ id, name, source, verdict, opened, checks }) =>
      [
        `${verdict === "pass" && !opened ? paint.yellow("? bytes only") : paint.verdict(verdict)}  ${name} (${id}) of ${source}`,
        renderChecks(checks, paint),
        ...(opened ? [] : [paint.dim("the seal was not opened, so nothing of what is inside is proven: no identity is configured here")]),
        ...(opened ? [] : [paint.dim(`next: set repository.encryption.identityFile, then run \`lifeboat verify ${id}\``)]),
      ].join("\n"),
    );
  },
});
