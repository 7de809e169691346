// docs/metrics.md, from the table of metrics.
import { METRICS } from "../../src/server/metrics.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# Metrics

${GENERATED}

\`lifeboat serve\` answers \`/metrics\` in the text format of Prometheus. Gauges are those of the last beat; a value that is not known is
absent. Metrics name sources, so the scrape needs a token with the role \`viewer\`:

\`\`\`sh
lifeboat token create --role viewer --name prometheus
\`\`\`

\`\`\`yaml
scrape_configs:
  - job_name: lifeboat
    authorization: { credentials_file: /etc/prometheus/lifeboat.token }
    static_configs: [{ targets: ["127.0.0.1:7420"] }]
\`\`\`

[examples/monitoring](../examples/monitoring) has alert rules and a Grafana dashboard. Lifeboat's own alerts do not need them: they are for
teams whose alerts all come from Prometheus. The rule \`LifeboatSilent\` says when the service itself is away.
`;

export function metricsPage(): string {
  const rows = METRICS.map(({ name, type, labels, help }) => [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help]);
  return [INTRODUCTION, table(["metric", "type", "labels", "meaning"], rows), ""].join("\n");
}
