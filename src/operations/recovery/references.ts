// References between restored databases: values that point at nothing are counted, and some of them named.
import { asLifeboatError } from "../../core/errors.ts";
import { type Reference, referenceInWords } from "../../core/references.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context, Watch } from "../context.ts";

/** What was found about one reference. */
export interface ReferenceFinding {
  readonly reference: string;
  /** Values that were looked up; one that occurs far apart may be counted twice. */
  readonly checked: number;
  readonly dangling: number;
  /** Some of the values that point at nothing. */
  readonly sample: readonly string[];
  readonly check: Check;
}

const SAMPLE = 5;
const LONGEST = 100;
/** Enough to recognise a value that was counted before, in bounded memory. */
const MOST_REMEMBERED = 10_000;

/** Checks each reference of the configuration. `connections`: where each source was restored. */
export async function checkReferences(
  { references = [], sources }: Context,
  connections: ReadonlyMap<string, Connection>,
  watch: Watch,
): Promise<readonly ReferenceFinding[]> {
  const found: ReferenceFinding[] = [];
  for (const reference of references) found.push(await checkOne({ references, sources }, reference, connections, watch));
  return found;
}

async function checkOne(
  { sources }: Pick<Context, "references" | "sources">,
  reference: Reference,
  connections: ReadonlyMap<string, Connection>,
  watch: Watch,
): Promise<ReferenceFinding> {
  const { from, to } = reference;
  const words = referenceInWords(reference);
  const unknown = (why: string): ReferenceFinding => ({
    ...{ reference: words, checked: 0, dangling: 0, sample: [] },
    check: { name: words, kind: "data", outcome: "inconclusive", message: why },
  });
  const [holder, target] = [connections.get(from.source), connections.get(to.source)];
  if (holder === undefined || target === undefined)
    return unknown(`${holder === undefined ? from.source : to.source} was not brought back, so nothing was looked up`);
  const [reader, other] = [sources.get(from.source)?.engine.references, sources.get(to.source)?.engine.references];
  if (reader === undefined || other === undefined) return unknown("an engine of the two cannot be asked for values");
  let checked = 0;
  const dangling = new Set<string>();
  let forgotten = 0;
  try {
    for await (const batch of reader.values(holder, from.path, watch)) {
      checked += batch.length;
      const there = await other.present(target, to.path, batch, watch);
      for (const value of batch) {
        if (there.has(value)) continue;
        if (dangling.size < MOST_REMEMBERED) dangling.add(value);
        else if (!dangling.has(value)) forgotten++;
      }
    }
  } catch (error) {
    watch.signal.throwIfAborted();
    return unknown(asLifeboatError(error).message);
  }
  const count = dangling.size + forgotten;
  const sample = [...dangling].slice(0, SAMPLE).map((value) => value.slice(0, LONGEST));
  const message =
    checked === 0
      ? "there are no values, so nothing was looked up"
      : count === 0
        ? `all ${checked} values are there`
        : `${count} of ${checked} values point at nothing, such as ${sample.join(", ")}`;
  const outcome = checked === 0 ? "inconclusive" : count === 0 ? "pass" : "fail";
  return { reference: words, checked, dangling: count, sample, check: { name: words, kind: "data", outcome, message, rows: checked } };
}
