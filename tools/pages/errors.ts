// docs/errors.md, from the table of error codes.
import { ERROR_CODES, EXIT } from "../../src/core/errors.ts";
import { GENERATED, table } from "./markdown.ts";

const MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "done; a verdict of pass",
  failed: "failed; a verdict of fail",
  usage: "usage or configuration",
  inconclusive: "incomplete, or a verdict of inconclusive",
  unhealthy: "objective missed, or a source unhealthy",
  noRepository: "no repository",
  leaseHeld: "another job holds the lease",
  wrongKey: "wrong or missing key",
  approvalNeeded: "approval needed",
  integrity: "stored bytes are not what they must be",
  bug: "a mistake in Lifeboat",
  cancelled: "cancelled",
};

export function errorsPage(): string {
  const statuses = Object.entries(EXIT).map(([name, status]) => [`${status}`, MEANING[name as keyof typeof EXIT]]);
  const codes = Object.entries(ERROR_CODES).map(([code, facts]) => [
    `\`${code}\``,
    `${facts.exit}`,
    "retryable" in facts && facts.retryable ? "yes" : "",
    facts.hint,
  ]);
  return [
    "# Errors",
    "",
    GENERATED,
    "",
    "Every error has a code that scripts and alerts can rely on, a sentence that says what happened to what, and a next step.",
    "People read them on standard error; with `--json` they come as one line of JSON, also on standard error:",
    '`{"error":{"code","message","retryable","exit","details","next":{"text","commands"}}}`. [json.md](json.md#errors) names each field.',
    "",
    "## Exit statuses",
    "",
    table(["status", "meaning"], statuses),
    "",
    "## Codes",
    "",
    "*Again* says whether the same command can succeed later without a change by the user.",
    "",
    table(["code", "status", "again", "what to do next"], codes),
    "",
  ].join("\n");
}
