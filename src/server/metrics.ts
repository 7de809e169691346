// Every metric of the service, as a table: /metrics, docs/metrics.md and the checks of examples/monitoring follow from it. The gauges of
// sources and alerts are written once for each beat, because a thousand sources have twenty thousand samples; those of the process are
// read when they are asked for; counters count the jobs of this process.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Verdict } from "../core/verdict.ts";
import type { SourceStatus } from "../operations/watch/status.ts";
import type { JobEvent } from "../ports/progress.ts";
import type { Judgement, Service } from "./service.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number | undefined];

interface GaugeDefinition<Facts> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** A value that is not known is absent, never 0. */
  samples(facts: Facts): Iterable<Sample>;
}

/** What the last beat found. Undefined: there was none yet. */
type Found = Judgement | undefined;

const VERDICTS: readonly Verdict[] = ["pass", "inconclusive", "fail"];
const seconds = (at: Date | undefined): number | undefined => at && at.getTime() / 1000;
const inSeconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

/** One gauge of each source that was judged. */
const ofSource = (name: string, help: string, value: (status: SourceStatus) => number | undefined): GaugeDefinition<Found> => ({
  name: `lifeboat_source_${name}`,
  help,
  labels: ["source"],
  *samples(found) {
    for (const [source, status] of found?.sources ?? []) if (status !== undefined) yield [{ source }, value(status)];
  },
});

const one = <Facts>(name: string, help: string, value: (facts: Facts) => number | undefined): GaugeDefinition<Facts> => ({
  ...{ name: `lifeboat_${name}`, help, labels: [] },
  samples: (facts) => [[{}, value(facts)]],
});

const OF_PROCESS: readonly GaugeDefinition<Service>[] = [
  one("beat_interval_seconds", "How often a beat is due.", ({ config }) => config().server.beatMs / 1000),
  one("config_refused", "1 while a changed configuration is refused and the one before is in force.", ({ refusal }) =>
    refusal() === undefined ? 0 : 1,
  ),
  one("resident_memory_bytes", "Memory of the process.", () => process.memoryUsage.rss()),
];

const OF_BEAT: readonly GaugeDefinition<Found>[] = [
  one("beat_timestamp_seconds", "When the last beat ended, as Unix time.", (found) => seconds(found?.at)),
  one("beat_duration_seconds", "How long the last beat took.", (found) => inSeconds(found?.durationMs)),
  {
    name: "lifeboat_source_verdict",
    help: "1 for the verdict of the source, 0 for the others. A source that could not be judged is inconclusive.",
    labels: ["source", "verdict"],
    *samples(found) {
      for (const [source, status] of found?.sources ?? [])
        for (const verdict of VERDICTS) yield [{ source, verdict }, (status?.verdict ?? "inconclusive") === verdict ? 1 : 0];
    },
  },
  {
    name: "lifeboat_source_finding",
    help: "1 for each finding of the source, by the codes of monitoring.md.",
    labels: ["source", "code"],
    *samples(found) {
      for (const [source, status] of found?.sources ?? [])
        for (const code of new Set(status?.reasons.map((reason) => reason.code))) yield [{ source, code }, 1];
    },
  },
  ofSource("last_backup_timestamp_seconds", "When the newest restore point was complete, as Unix time.", ({ latest }) =>
    seconds(latest?.endedAt),
  ),
  ofSource("last_backup_bytes", "Size of the newest restore point, as stored.", ({ latest }) => latest?.sizeBytes),
  ofSource("exposure_seconds", "Now minus the newest instant that can be reached.", ({ exposureMs }) => inSeconds(exposureMs)),
  ofSource("rpo_objective_seconds", "Recovery point objective.", ({ source }) => source.objective.rpoSeconds),
  ofSource("rto_objective_seconds", "Recovery time objective.", ({ source }) => source.objective.rtoSeconds),
  ofSource("last_drill_timestamp_seconds", "When the last drill ended, as Unix time.", ({ lastDrill }) =>
    lastDrill === undefined ? undefined : Date.parse(lastDrill.endedAt) / 1000,
  ),
  ofSource("last_drill_passed", "1 when the last drill passed, else 0.", ({ lastDrill }) =>
    lastDrill === undefined ? undefined : Number(lastDrill.verdict === "pass"),
  ),
  ofSource("last_drill_rto_seconds", "Recovery time that the last drill achieved.", ({ lastDrill }) => lastDrill?.achieved.rtoSeconds),
  ofSource("last_drill_rpo_seconds", "Data loss in time that the last drill achieved.", ({ lastDrill }) => lastDrill?.achieved.rpoSeconds),
  ofSource("log_stored_bytes", "Stored log of the source.", ({ log }) => log?.sizeBytes),
  ofSource("slot_retained_bytes", "WAL that the server retains for the replication slot.", ({ log }) => log?.slot?.keptBytes),
  ofSource("paused", "1 while the scheduled work of the source is paused, else 0.", ({ paused }) => Number(paused !== undefined)),
  {
    name: "lifeboat_source_limit_used_ratio",
    help: "Used share of a limit of the provider, from 0 to 1.",
    labels: ["source", "limit"],
    *samples(found) {
      for (const [source, status] of found?.sources ?? [])
        for (const { name, used, max } of status?.provider?.state?.limits ?? [])
          if (max !== undefined && max > 0) yield [{ source, limit: name }, used / max];
    },
  },
  {
    name: "lifeboat_alerts_open",
    help: "Open alerts by severity.",
    labels: ["severity"],
    *samples(found) {
      if (found === undefined) return;
      for (const severity of ["critical", "warning"])
        yield [{ severity }, found.open.filter((alert) => alert.severity === severity).length];
    },
  },
];

const JOBS = {
  ended: {
    name: "lifeboat_jobs_total",
    help: "Jobs of this process that have ended, by outcome (`done` or `failed`).",
    labelNames: ["verb", "source", "outcome"],
  },
  running: { name: "lifeboat_jobs_running", help: "Jobs that run in this process now.", labelNames: ["verb"] },
  seconds: {
    name: "lifeboat_job_duration_seconds",
    help: "How long jobs took.",
    labelNames: ["verb"],
    buckets: [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200],
  },
} as const;

/** Every metric: its name, type, labels and meaning. */
export const METRICS: readonly {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}[] = [
  ...[...OF_PROCESS, ...OF_BEAT].map(({ name, labels, help }) => ({ name, type: "gauge", labels, help })),
  { name: JOBS.ended.name, type: "counter", labels: JOBS.ended.labelNames, help: JOBS.ended.help },
  { name: JOBS.running.name, type: "gauge", labels: JOBS.running.labelNames, help: JOBS.running.help },
  { name: JOBS.seconds.name, type: "histogram", labels: JOBS.seconds.labelNames, help: JOBS.seconds.help },
];

export interface Metrics {
  readonly contentType: string;
  /** Returns all metrics as Prometheus reads them. */
  text(): Promise<string>;
}

/** Registers every metric of the service, and counts its jobs from now on. */
export function openMetrics(service: Service): Metrics {
  const registry = new Registry();
  const registers = [registry];
  register(registry, OF_PROCESS, () => service);
  countJobs(service, registers);
  let written: { readonly of: Found; readonly text: Promise<string> } | undefined;
  const ofBeat = (): Promise<string> => {
    const found = service.judgement();
    if (written === undefined || written.of !== found) written = { of: found, text: textOf(found) };
    return written.text;
  };
  return { contentType: registry.contentType, text: async () => `${await ofBeat()}\n${await registry.metrics()}` };
}

function textOf(found: Found): Promise<string> {
  const registry = new Registry();
  register(registry, OF_BEAT, () => found);
  return registry.metrics();
}

function register<Facts>(registry: Registry, gauges: readonly GaugeDefinition<Facts>[], facts: () => Facts): void {
  for (const { name, help, labels, samples } of gauges) {
    new Gauge({
      ...{ name, help, registers: [registry], labelNames: [...labels] },
      collect() {
        this.reset();
        for (const [of, value] of samples(facts())) if (value !== undefined) this.set(of, value);
      },
    });
  }
}

function countJobs(service: Service, registers: Registry[]): void {
  const ended = new Counter({ ...JOBS.ended, labelNames: [...JOBS.ended.labelNames], registers });
  const running = new Gauge({ ...JOBS.running, labelNames: [...JOBS.running.labelNames], registers });
  const durations = new Histogram({
    ...JOBS.seconds,
    labelNames: [...JOBS.seconds.labelNames],
    buckets: [...JOBS.seconds.buckets],
    registers,
  });
  const begun = new Map<string, { readonly verb: string; readonly atMs: number }>();
  service.subscribe((event: JobEvent) => {
    if (event.job === null) return;
    const now = service.clock.monotonicMs();
    if (event.type === "begin") {
      begun.set(event.job, { verb: event.verb, atMs: now });
      running.inc({ verb: event.verb });
    }
    const job = event.type === "end" ? begun.get(event.job) : undefined;
    if (job === undefined || event.type !== "end") return;
    begun.delete(event.job);
    running.dec({ verb: job.verb });
    ended.inc({ verb: job.verb, source: event.source ?? "", outcome: event.outcome });
    durations.observe({ verb: job.verb }, (now - job.atMs) / 1000);
  });
}
