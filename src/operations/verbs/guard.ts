// lifeboat guard: a change of a source with a way back.
import * as z from "zod/mini";
import { parseDuration } from "../../core/duration.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import { refuseUnapproved } from "../approval/production.ts";
import { type Guarded, guard as guardSource } from "../guard/guard.ts";
import { operation } from "../operation.ts";
import { kept } from "../recovery/schemas.ts";
import { about, check, inSeconds, instant, iso, jobId, nextAction, orNull, seconds, sourceName, verdict } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const command = z.strictObject({
  status: about(orNull(z.int()), "Null: a signal ended it."),
  signal: about(orNull(z.string()), "Such as `SIGKILL`."),
  seconds: about(seconds, "How long it ran."),
});

const sentences = (help: string) => about(z.readonly(z.array(z.string())), help);

export const guard = operation({
  name: "guard",
  access: "restore",
  local: "all",
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    feature: about(z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$/)), "What the change is called; the point is named for it."),
    command: about(z.array(z.string()), "The program and its arguments."),
    rollback: z.optional(about(z.boolean(), "A failure sets production back without asking.")),
    watch: z.optional(about(z.string(), "How long the application is watched afterwards, such as `10m`.")),
    rehearse: z.optional(about(z.boolean(), "Run the command against a scratch copy first.")),
    env: z.optional(about(z.array(z.string()), "Variables that name the database in a trial.")),
    output: z.optional(about(z.enum(["stdout", "stderr"]), "Where the command's standard output goes.")),
    settle: z.optional(about(z.boolean(), "Run nothing: set production back after a guard of this name that failed.")),
    yes: z.optional(about(z.string(), "The source's name: an interrupted guard may be ended.")),
  }),
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    feature: about(z.string(), "As in the request."),
    outcome: about(z.enum(["succeeded", "failed", "rolled back", "refused by trial"]), "`failed`: production is as the change left it."),
    point: about(z.strictObject({ id: z.string(), name: z.string() }), "What was taken before the change."),
    position: about(orNull(z.string()), "The position in the log right before the command. Null: no log archive reaches it."),
    lossSeconds: about(
      orNull(seconds),
      "What setting back loses beside the change: the time between the way back and the command. Null: no command ran, or not known.",
    ),
    expiresAt: about(orNull(instant), "When the point expires. Null: it is on hold."),
    continued: about(orNull(jobId), "The interrupted guard that was ended."),
    command: about(orNull(command), "Null: it did not run in this guard."),
    trial: about(
      orNull(
        z.strictObject({
          command,
          altered: sentences("What differs from before, one sentence each."),
          tableLocks: about(
            orNull(
              z.readonly(
                z.array(
                  z.strictObject({
                    table: about(z.string(), "With its schema."),
                    mode: about(z.string(), "As the engine calls it."),
                    seconds: about(seconds, "As far as it was seen."),
                  }),
                ),
              ),
            ),
            "On tables that were there before. Null: the engine does not show them.",
          ),
        }),
      ),
      "The run against a scratch copy.",
    ),
    checks: about(z.readonly(z.array(check)), "What was asked after the command."),
    reasons: sentences("Why it failed, worst first."),
    altered: sentences("What differs from before, one sentence each."),
    rollback: about(
      orNull(
        z.strictObject({
          job: jobId,
          to: about(z.string(), "A position in the log, or the point's name."),
          verdict,
          kept: about(orNull(kept), "What the failed change left, until `accept`."),
        }),
      ),
      "How production was set back.",
    ),
    next: z.array(nextAction),
  }),
  async run(context, { source: name, watch, rehearse, env = [], ...request }) {
    const source = sourceNamed(context, name);
    if (request.rollback === true || request.settle === true) refuseUnapproved(source, request.settle === true ? "settle" : "--rollback");
    const watchMs = watch === undefined ? undefined : parseDuration(watch);
    const done = await guardSource(context, source, { ...request, watchMs, rehearse: rehearse === true ? env : undefined }, context);
    const commandJson = (ran: NonNullable<typeof done.command>) => ({ status: ran.status, signal: ran.signal, seconds: inSeconds(ran.ms) });
    const { trial, rollback, point } = done;
    return {
      ...{ job: done.job, source: name, feature: done.feature, outcome: done.outcome, point: { id: point.id, name: point.name } },
      position: done.position ?? null,
      lossSeconds: done.lossMs === undefined ? null : inSeconds(done.lossMs),
      expiresAt: iso(done.expiresAt),
      continued: done.continued ?? null,
      command: done.command === undefined ? null : commandJson(done.command),
      trial:
        trial === undefined
          ? null
          : {
              command: commandJson(trial.command),
              altered: trial.changes,
              tableLocks: trial.locks?.map(({ table, mode, heldMs }) => ({ table, mode, seconds: inSeconds(heldMs) })) ?? null,
            },
      checks: done.checks,
      reasons: done.reasons,
      altered: done.changes,
      rollback:
        rollback === undefined
          ? null
          : {
              job: rollback.job,
              to: rollback.to,
              verdict: rollback.verdict,
              kept: rollback.kept === undefined ? null : { id: rollback.kept.id, name: rollback.kept.name },
            },
      next: nextOf(done, name),
    };
  },
  exit: ({ outcome }): ExitStatus => (outcome === "succeeded" ? EXIT.done : EXIT.failed),
});

function nextOf({ outcome, point, rollback, by = [] }: Guarded, source: string) {
  if (rollback?.kept !== undefined)
    return [
      {
        commands: [`lifeboat accept ${rollback.job} --yes ${source}`],
        text: `when ${rollback.kept.name}, which the failed change left, can go`,
      },
    ];
  if (outcome !== "failed") return [];
  return [
    ...by.map((command, index) => ({ commands: [command], text: index === 0 ? "to set production back" : "where that cannot be reached" })),
    { commands: [`lifeboat release ${point.id}`], text: "when the change is good after all" },
  ];
}
