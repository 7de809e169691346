// docs/monitoring.md, from the table of what every beat looks for.
import { severityOf } from "../../src/core/alerts.ts";
import { withNames } from "../../src/core/hints.ts";
import { concernsEverySource, isHealthCode, MONITORS } from "../../src/core/monitors.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# Monitoring

${GENERATED}

Every beat (\`lifeboat tick\`, or the service) judges each source with the functions of \`lifeboat status\`. A finding opens an alert; the
alert is repeated at growing intervals and closes, with a message, at the first beat that no longer finds it. \`lifeboat alerts\` lists what
is open. Channels are described in [notifications.md](notifications.md).

- A code is stable: scripts, routes and dashboards can match on it. With the source it is the identity of the alert.
- *critical* makes the verdict of the source \`fail\`; *warning* makes it \`inconclusive\`. Without a finding it is \`pass\`.
- A source that waits for its first scheduled backup opens \`NO_BACKUP\` and \`NO_BASE\` when that backup fails, when it is not made
  within an hour of the first beat that saw the source, or when it runs for longer than a day. \`status\` says both at once. A source that is
  paused or has no schedule opens them at once.
- What cannot be seen closes nothing: while the provider does not answer, alerts about its settings stay open.
- Settings of the provider that no policy names are compared with what earlier beats observed. \`lifeboat acknowledge\` accepts them as they
  are now, and so does \`lifeboat apply\`.

## What is looked for

The commands are those of a source called \`shop\`.
`;

const TABLES = `
## A table that lost its data

Each backup of PostgreSQL and MongoDB records the number of rows of the largest tables, and of PostgreSQL's columns the number of distinct
values as the planner's statistics estimate it. \`TABLE_EMPTIED\` compares them with the up to seven backups before:

- a table lost \`changes.percent\` (default: 50) or more percent of the fewest rows that it had in at least three earlier backups;
- a table is nearly empty (at most 5 % of the rows are left), or is gone, after at least one earlier backup;
- a column that had at least 100 distinct values has at most 5 % of them left.

Tables that never had \`changes.rows\` rows (default: 1000) are not judged, nor those under \`changes.ignore\`. A table whose row count often
falls, such as a queue, is judged by its own lowest count. A table that was replaced by one of about the same size, or that is one of a
series such as \`events_2026_10\`, may go. While the alert is open, nothing of the source expires. It closes when the data is back, or with
\`lifeboat acknowledge shop --reason "intended, ticket 4711"\`.

\`\`\`yaml
policies:
  nightly:
    backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }]
    changes: { percent: 50, rows: 1000, ignore: [public.sessions] }
\`\`\`
`;

const BRIEF = `
## One line for prompts, Nagios and Icinga

\`lifeboat status --brief\` prints one line in the format of Nagios plugins, with performance data after the bar, and ends with their exit
statuses: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

\`\`\`
LIFEBOAT OK - 1 source is protected | 'shop'=0 'shop exposure'=3812s;;86400
LIFEBOAT CRITICAL - shop: BACKUP_OVERDUE, EXPOSURE_ABOVE_RPO | 'shop'=2 'shop exposure'=181203s;;86400
\`\`\`

A source's own value is 0 for pass, 1 for inconclusive and 2 for fail. WARNING is a verdict of inconclusive, CRITICAL one of fail. UNKNOWN means
that nothing could be judged: the configuration is wrong, or the repository does not answer. As a command of Nagios or Icinga:

\`\`\`
define command {
  command_name  check_lifeboat
  command_line  /usr/local/bin/lifeboat --config /etc/lifeboat.yaml status --brief $ARG1$
}
\`\`\`

Each call asks every source. Where it runs often, or for many sources, \`--max-age 5m\` answers with the last look that \`lifeboat serve\`, \`tick\`
or \`status\` took on this machine, and says when. With a look that is older, or of another version of the configuration, it is UNKNOWN
(\`LOOK_OLD\`): so a service that has died is not silent.

## Checklists

\`lifeboat checklist weekly\` and \`lifeboat checklist monthly\` print, as Markdown or with \`--json\`, the questions that teams ask by hand, each
answered by a check with its figure. A box is ticked only where the check passed. What could not be checked reads "not known", with the
reason. \`lifeboat drills\` prints the history of drills: achieved RTO and RPO against the objectives, the last pass, and what is overdue.
`;

export function monitoringPage(): string {
  const rows = Object.entries(MONITORS).map(([code, { finds, next }]) => [
    `\`${code}\``,
    isHealthCode(code) ? severityOf(code) : "",
    finds,
    withNames(next, { source: "shop" }),
  ]);
  const every = Object.keys(MONITORS).filter((code) => isHealthCode(code) && concernsEverySource(code));
  const everySource = `
These are about the repository or the machine, and mean that no source is protected: ${every.map((code) => `\`${code}\``).join(", ")}.
While one of them is found, \`/api/health/db/SOURCE\` of the service answers \`503\` for each source, with that code.`;
  return [INTRODUCTION, table(["code", "severity", "what was found", "what to do next"], rows), everySource, TABLES, BRIEF].join("\n");
}
