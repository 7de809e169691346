// lifeboat drill [SOURCE], lifeboat drill --due
import { flag, text } from "../../config/types.ts";
import { combine } from "../../core/combined.ts";
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import { LATEST, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { drill, type Finding } from "../../operations/recovery/drill.ts";
import { dueDrills } from "../../operations/recovery/drills-due.ts";
import { presentOf } from "../../operations/workshop.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import { combinedJson, renderCombined } from "../render/combined.ts";
import { eachSource, withWorkshop } from "../session.ts";
import { recoveryTarget } from "../target-option.ts";

export const drillCommand = defineCommand({
  description:
    "Restores into a throw-away place, compares fingerprints, asks the configured checks, measures recovery time and loss against the objectives, removes the place, and files the evidence. It never writes to the source. Without a source, every one is drilled, one after another, and what was achieved together (the times added up, the greatest loss) is judged against the combined objective.",
  arguments: { source: { type: text, help: "Name of the source. Default: every source, one after the other." } },
  options: {
    to: recoveryTarget,
    due: {
      type: flag,
      help: "Run what `drills` of the configuration says is due, of this source or of all, each to its own target. Nothing due is success.",
    },
    unsigned: {
      type: flag,
      help: "Restore a point that no trusted key has signed: you know who made it. Its verdict is inconclusive at best.",
    },
  },
  json: true,
  examples: ["lifeboat drill shop", "lifeboat drill shop --to 7d", "lifeboat drill --due"],
  async run(context) {
    if (context.options.due) return runDue(context);
    return withWorkshop(context, async (workshop, watch) => {
      let worst: ExitStatus = EXIT.done;
      const { to: words } = context.options;
      const to = words === undefined ? LATEST : parseRecoveryTarget(words, presentOf(workshop));
      const outcomes = await eachSource(workshop, context.args.source, watch, async (source) => {
        const finding = await drill(workshop, source, to, watch, context.options);
        const status = exitOfFinding(finding);
        if (worst === EXIT.done || status === EXIT.failed) worst = status;
        return finding;
      });
      const { results: findings, failed: missing } = outcomes;
      const json = findings.map(findingJson);
      const texts = (): string[] => findings.map((finding) => renderFinding(finding, workshop.repository.storage.url, context.paint));
      if (context.args.source === undefined) {
        const parts = findings.map(({ evidence: { source, verdict, achieved } }) => ({ source, verdict, achieved }));
        const combined = combine(parts, workshop.combinedObjective, { order: "one after another", missing });
        // Of one source alone it says nothing new.
        const several = parts.length + missing.length > 1;
        context.emit({ drills: json, combined: combinedJson(combined) }, () =>
          [...texts(), ...(several ? [renderCombined(combined, context.paint)] : [])].join("\n\n"),
        );
        // Each in its own time, and all of them not in theirs.
        if (several && worst === EXIT.done && combined.verdict === "fail") worst = EXIT.unhealthy;
      } else context.emit(json[0], () => texts().join("\n\n"));
      outcomes.settle();
      return worst;
    });
  },
});

type DrillContext = Pick<CommandContext, "config" | "clock" | "env" | "signal" | "progress" | "emit" | "paint"> & {
  readonly args: { readonly source?: string | undefined };
  readonly options: { readonly to?: string | undefined; readonly unsigned?: boolean | undefined };
};

/** Each due drill in its turn. A source whose drill cannot be done keeps no other from its own. */
async function runDue(context: DrillContext): Promise<ExitStatus> {
  const { to, unsigned } = context.options;
  if (to !== undefined) throw new LifeboatError("USAGE", "--to has no meaning beside --due: each drill has its own target");
  return withWorkshop(context, async (workshop, watch) => {
    const outcomes = await eachSource(workshop, context.args.source, watch, async (source) => {
      const findings: Finding[] = [];
      for (const { plan } of await dueDrills(workshop, source, watch)) {
        findings.push(await drill(workshop, source, parseRecoveryTarget(plan.to, presentOf(workshop)), watch, { unsigned, plan }));
      }
      return findings;
    });
    const findings = outcomes.results.flat();
    const place = workshop.repository.storage.url;
    context.emit({ drills: findings.map(findingJson), combined: null }, () =>
      findings.length === 0 ? "no drill is due" : findings.map((finding) => renderFinding(finding, place, context.paint)).join("\n\n"),
    );
    outcomes.settle();
    const statuses = findings.map(exitOfFinding);
    return statuses.includes(EXIT.failed) ? EXIT.failed : (statuses.find((status) => status !== EXIT.done) ?? EXIT.done);
  });
}
