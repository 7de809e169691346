// lifeboat drill [SOURCE]
import { text } from "../../config/types.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import { drill } from "../../operations/drill.ts";
import { defineCommand } from "../command.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import { eachSource, withWorkshop } from "../session.ts";

export const drillCommand = defineCommand({
  description:
    "Restores into a throw-away place, compares fingerprints, asks the configured checks, measures recovery time and loss against the objectives, removes the place, and files the evidence. It never writes to the source.",
  arguments: { source: { type: text, help: "Name of the source. Default: every source, one after the other." } },
  options: {
    to: {
      type: text,
      default: "latest",
      value: "TARGET",
      help: "Recovery target: `latest`, an instant (to the microsecond), so long ago (`-7d`), a position in the log (LSN), or a restore point.",
    },
  },
  json: true,
  examples: ["lifeboat drill shop", "lifeboat drill shop --to=-7d"],
  async run(context) {
    return withWorkshop(context, async (workshop, watch) => {
      let worst: ExitStatus = EXIT.done;
      const { results: findings, settle } = await eachSource(workshop, context.args.source, watch, async (source) => {
        const finding = await drill(workshop, source, context.options.to, watch);
        const status = exitOfFinding(finding);
        if (worst === EXIT.done || status === EXIT.failed) worst = status;
        return finding;
      });
      const json = findings.map(findingJson);
      context.emit(context.args.source === undefined ? { drills: json } : json[0], () =>
        findings.map((finding) => renderFinding(finding, workshop.repository.storage.url, context.paint)).join("\n\n"),
      );
      settle();
      return worst;
    });
  },
});
