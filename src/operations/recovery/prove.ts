// What proves that a database with the data of a past instant is good: read in full, compared where there is something to
// compare with, asked the probes. What had nothing to be measured against is not proven, and the report says what to configure.
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { Check } from "../../core/verdict.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";

export interface ProofOptions {
  /** What the data must equal, where it was recorded. */
  readonly expected?: Fingerprint | undefined;
  /** The instant that probes count back from. */
  readonly asOf: Date;
}

export async function prove(source: Source, connection: Connection, options: ProofOptions, job: Job, watch: Watch): Promise<Check[]> {
  const { expected, asOf } = options;
  const work = { signal: job.signal, progress: watch.progress };
  const { scope = { kind: "full" as const }, algorithm } = expected ?? {};
  const actual = await source.engine.fingerprint(connection, scope, { ...work, algorithm });
  const probed = await source.engine.probe(connection, source.probes, asOf, { ...work, mayHaveExpired: true });
  const compared = expected === undefined ? [] : source.engine.compare(expected, actual, { replayed: true });
  return [...readings(actual, compared.length + probed.length > 0, source), ...compared, ...probed];
}

/** That everything could be read. It speaks for the data only together with something that says what the data should be. */
export function readings(actual: Fingerprint, measured: boolean, source: Source): Check[] {
  const words = wordsOf(source.engine.name);
  const tables = Object.values(actual.tables);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const name = `reading every ${words.table}`;
  const unread = actual.unhashed.map(
    ({ kind, object, reason }): Check => ({
      name: `reading ${object}`,
      kind: "integrity",
      outcome: "inconclusive",
      message: `${kind} ${object} could not be read in full: ${reason}`,
    }),
  );
  if (rows === 0) {
    const found = tables.length === 0 ? `there is no ${words.table}` : `${counted(tables.length, words.table)} without a ${words.row}`;
    return [...unread, { name, kind: "data", outcome: "inconclusive", message: `${found}, so nothing is proven`, rows }];
  }
  const message = `${counted(tables.length, words.table)} with ${counted(rows, words.row)} read to the end`;
  if (measured) return [...unread, { name, kind: "data", outcome: "pass", message, rows }];
  return [
    ...unread,
    { name, kind: "integrity", outcome: "pass", message, rows },
    {
      name: "what the data should be",
      kind: "data",
      outcome: "inconclusive",
      message: `there is nothing to measure the data against: give ${source.name} \`checks\` in the configuration, or take a snapshot with --fingerprint and restore that`,
    },
  ];
}
