// lifeboat verify POINT
import { text } from "../../config/types.ts";
import { EXIT } from "../../core/errors.ts";
import { exitOfVerdict } from "../../core/verdict.ts";
import { findPoint } from "../../operations/points.ts";
import { verify } from "../../operations/verify.ts";
import { defineCommand } from "../command.ts";
import { renderChecks } from "../render/checks.ts";
import { withWorkshop } from "../session.ts";

export const verifyCommand = defineCommand({
  description:
    "Reads every stored byte of a backup and compares it with the manifest. With the identity at hand the seal is opened as well, so that the plain bytes are proven too. Damage gives exit status 30.",
  arguments: { point: { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } },
  options: {},
  json: true,
  async run(context) {
    return withWorkshop(context, async (workshop, watch) => {
      const entry = await findPoint(workshop, context.args.point);
      const found = await verify(workshop, entry, watch);
      const { verdict, reasons, checks, opened } = found;
      const { id, name, source } = entry.point;
      context.emit({ id, name, source, verdict, reasons, opened, checks }, () =>
        [
          `${context.paint.verdict(verdict)}  ${name} (${id}) of ${source}`,
          renderChecks(checks, context.paint),
          ...(opened ? [] : [context.paint.dim("the seal was not opened: no identity is configured here")]),
        ].join("\n"),
      );
      return verdict === "fail" ? EXIT.integrity : exitOfVerdict(verdict);
    });
  },
});
