// lifeboat guard SOURCE --feature NAME -- COMMAND…
import { appendFile } from "node:fs/promises";
import { isLifeboatError } from "../../core/errors.ts";
import { listOf } from "../../core/option.ts";
import { flag, text } from "../../core/option-types.ts";
import { guard } from "../../operations/verbs/guard.ts";
import { defineCommand } from "../command.ts";
import { guardSummary, renderGuard } from "../render/guard.ts";
import { perform } from "../session.ts";

export const guardCommand = defineCommand({
  description:
    "Takes a point before the change and proves that it can be reached, runs the command, then asks the source's checks and `health`. Success releases the point: it expires as the policy says, after 7 days by default. On failure the point stays on hold, and what changed is shown; with --rollback production is set back to the point. The exit status is that of the command when it failed. When Lifeboat itself was killed, the same command continues, or rolls back. In a CI job, $GITHUB_STEP_SUMMARY receives the result.",
  arguments: {
    source: { type: text, required: true, help: "Name of the source." },
    command: { type: listOf(text), help: "The program and its arguments, after `--`." },
  },
  options: {
    feature: { type: text, required: true, value: "NAME", help: "What the change is called: the point is named pre-deploy-NAME." },
    rollback: { type: flag, help: "Set production back without asking when the command, a check or the health fails." },
    watch: { type: text, value: "DURATION", help: "Watch checks and health for so long after the command. Default: they are asked once." },
    rehearse: { type: flag, help: "Run the command against a scratch copy first; production is touched only when that succeeds." },
    env: {
      type: listOf(text),
      value: "NAME,…",
      help: "Variables that name the database to the command; a trial points them at the copy.",
    },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: an interrupted guard of another machine may be ended." },
  },
  json: true,
  examples: [
    "lifeboat guard shop --feature invoices -- npx prisma migrate deploy",
    "lifeboat guard shop --feature invoices --rollback --watch 10m -- npx drizzle-kit migrate",
    "lifeboat guard shop --feature invoices --rehearse --env DATABASE_URL -- npm run migrate",
  ],
  async run(call) {
    const { paint, env } = call;
    const output = call.json ? ("stderr" as const) : ("stdout" as const);
    let ownStatus: number | undefined;
    let isUndecided = false;
    const once = (more: { readonly rollback?: boolean; readonly settle?: boolean; readonly yes?: string } = {}) =>
      perform(
        call,
        guard,
        { ...call.args, command: call.args.command ?? [], ...call.options, output, ...more },
        (result) => renderGuard(result, paint),
        async (result) => {
          const { command, outcome, rollback } = result;
          if (command !== null && command.status !== 0) ownStatus = command.status ?? 1;
          isUndecided = outcome === "failed" && rollback === null;
          if (env.GITHUB_STEP_SUMMARY) await appendFile(env.GITHUB_STEP_SUMMARY, guardSummary(result)).catch(() => undefined);
          return result;
        },
      );
    const decide = (message: string): Promise<boolean> =>
      call.ask.confirm({ message: `${message}. Set production back?`, flag: "--rollback" });
    try {
      const exit = await once();
      if (isUndecided && call.ask.possible && (await decide("The change failed"))) await once({ settle: true });
      return ownStatus ?? exit;
    } catch (error) {
      if (!isLifeboatError(error, "CONFIRMATION_NEEDED") || !call.ask.possible) throw error;
      if (!(await decide(error.message))) throw error;
      return once({ rollback: true, yes: call.args.source });
    }
  },
});
