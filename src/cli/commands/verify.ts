// lifeboat verify POINT

import { EXIT, LifeboatError } from "../../core/errors.ts";
import { text } from "../../core/option-types.ts";
import { exitOfVerdict } from "../../core/verdict.ts";
import { visible } from "../../core/visible.ts";
import { verify } from "../../operations/backup/verify.ts";
import { findAnyPoint } from "../../operations/points/snapshots.ts";
import { defineCommand } from "../command.ts";
import { renderChecks } from "../render/checks.ts";
import { withContext } from "../session.ts";

export const verifyCommand = defineCommand({
  description:
    "Reads every stored byte of a backup and compares it with the manifest. With the identity at hand the seal is opened as well, so that the plain bytes are proven too; without it the result is bytes only, and the backup does not count as verified. Damage gives exit status 30.",
  arguments: { point: { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } },
  options: {},
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const named = await findAnyPoint(context, call.args.point, undefined, { ...watch, unsigned: true });
      if (named.kind === "snapshot") {
        const { source, point } = named.entry;
        throw new LifeboatError(
          "CAPABILITY_MISSING",
          `${point.name} of ${source} is held by the provider: there are no stored bytes to verify`,
          {
            hint: `run \`lifeboat drill ${source} --to ${point.name}\`, which restores it and reads every table`,
          },
        );
      }
      const { entry } = named;
      const found = await verify(context, entry, watch);
      const { verdict, reasons, checks, opened, aside } = found;
      const { id, name, source } = entry.point;
      const { paint } = call;
      const bytesOnly = verdict === "pass" && !opened;
      const extent = opened ? "opened" : "bytes only";
      call.emit({ id, name, source, verdict, reasons, opened, extent, checks, aside: aside ?? null }, () =>
        [
          `${bytesOnly ? paint.yellow("? bytes only") : paint.verdict(verdict)}  ${visible(name)} (${id}) of ${source}`,
          renderChecks(checks, paint),
          ...(opened ? [] : [paint.dim("the seal was not opened, so nothing of what is inside is proven: no identity is configured here")]),
          ...(opened ? [] : [paint.dim(`next: set repository.encryption.identityFile, then run \`lifeboat verify ${id}\``)]),
        ].join("\n"),
      );
      return verdict === "fail" ? EXIT.integrity : exitOfVerdict(verdict);
    });
  },
});
