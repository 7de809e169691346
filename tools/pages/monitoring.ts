// docs/monitoring.md, from the table of what every beat looks for.
import { severityOf } from "../../src/core/alerts.ts";
import { withNames } from "../../src/core/hints.ts";
import { isHealthCode, MONITORS } from "../../src/core/monitors.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# Monitoring

${GENERATED}

Every beat (\`lifeboat tick\`, or the service) judges each source with the functions of \`lifeboat status\`. A finding opens an alert; the
alert is repeated at growing intervals and closes, with a message, at the first beat that no longer finds it. \`lifeboat alerts\` lists what
is open. Channels are described in [notifications.md](notifications.md).

- A code is stable: scripts, routes and dashboards can match on it. With the source it is the identity of the alert.
- *critical* makes the verdict of the source \`fail\`; *warning* makes it \`inconclusive\`. Without a finding it is \`pass\`.
- What cannot be seen closes nothing: while the provider does not answer, alerts about its settings stay open.
- Settings of the provider that no policy names are compared with what earlier beats observed. \`lifeboat acknowledge\` accepts them as they
  are now, and so does \`lifeboat apply\`.

## What is looked for

The commands are those of a source called \`shop\`.
`;

export function monitoringPage(): string {
  const rows = Object.entries(MONITORS).map(([code, { finds, next }]) => [
    `\`${code}\``,
    isHealthCode(code) ? severityOf(code) : "",
    finds,
    withNames(next, { source: "shop" }),
  ]);
  return [INTRODUCTION, table(["code", "severity", "what was found", "what to do next"], rows), ""].join("\n");
}
