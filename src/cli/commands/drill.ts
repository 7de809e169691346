// lifeboat drill [SOURCE], lifeboat drill --due

import { combine } from "../../core/combined.ts";
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { LATEST, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { presentOf } from "../../operations/context.ts";
import { drill, type Finding } from "../../operations/recovery/drill.ts";
import { dueDrills } from "../../operations/recovery/drills-due.ts";
import { type CommandCall, defineCommand } from "../command.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import { combinedJson, renderCombined } from "../render/combined.ts";
import { eachSource, withContext } from "../session.ts";
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
  async run(call) {
    if (call.options.due) return runDue(call);
    return withContext(call, async (context, watch) => {
      let worst: ExitStatus = EXIT.done;
      const { to: words } = call.options;
      const to = words === undefined ? LATEST : parseRecoveryTarget(words, presentOf(context));
      const outcomes = await eachSource(context, call.args.source, watch, async (source) => {
        const finding = await drill(context, source, to, watch, call.options);
        const status = exitOfFinding(finding);
        if (worst === EXIT.done || status === EXIT.failed) worst = status;
        return finding;
      });
      const { results: findings, failed: missing } = outcomes;
      const json = findings.map(findingJson);
      const texts = (): string[] => findings.map((finding) => renderFinding(finding, context.repository.storage.url, call.paint));
      if (call.args.source === undefined) {
        const parts = findings.map(({ evidence: { source, verdict, achieved } }) => ({ source, verdict, achieved }));
        const combined = combine(parts, context.combinedObjective, { order: "one after another", missing });
        // Of one source alone it says nothing new.
        const several = parts.length + missing.length > 1;
        call.emit({ drills: json, combined: combinedJson(combined) }, () =>
          [...texts(), ...(several ? [renderCombined(combined, call.paint)] : [])].join("\n\n"),
        );
        // Each in its own time, and all of them not in theirs.
        if (several && worst === EXIT.done && combined.verdict === "fail") worst = EXIT.unhealthy;
      } else call.emit(json[0], () => texts().join("\n\n"));
      outcomes.settle();
      return worst;
    });
  },
});

type DrillContext = Pick<CommandCall, "config" | "clock" | "env" | "signal" | "progress" | "emit" | "paint"> & {
  readonly args: { readonly source?: string | undefined };
  readonly options: { readonly to?: string | undefined; readonly unsigned?: boolean | undefined };
};

/** Each due drill in its turn. A source whose drill cannot be done keeps no other from its own. */
async function runDue(call: DrillContext): Promise<ExitStatus> {
  const { to, unsigned } = call.options;
  if (to !== undefined) throw new LifeboatError("USAGE", "--to has no meaning beside --due: each drill has its own target");
  return withContext(call, async (context, watch) => {
    const outcomes = await eachSource(context, call.args.source, watch, async (source) => {
      const findings: Finding[] = [];
      for (const { plan } of await dueDrills(context, source, watch)) {
        findings.push(await drill(context, source, parseRecoveryTarget(plan.to, presentOf(context)), watch, { unsigned, plan }));
      }
      return findings;
    });
    const findings = outcomes.results.flat();
    const place = context.repository.storage.url;
    call.emit({ drills: findings.map(findingJson), combined: null }, () =>
      findings.length === 0 ? "no drill is due" : findings.map((finding) => renderFinding(finding, place, call.paint)).join("\n\n"),
    );
    outcomes.settle();
    const statuses = findings.map(exitOfFinding);
    return statuses.includes(EXIT.failed) ? EXIT.failed : (statuses.find((status) => status !== EXIT.done) ?? EXIT.done);
  });
}
