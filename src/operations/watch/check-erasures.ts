// What the erasure ledger lacks, told while nothing has happened: rows that refer to erased ones and were not recorded. After a restore
// they refer to nothing, and their foreign key is not valid.
import { isLifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Follower } from "../../ports/erasure.ts";
import type { Erasure } from "../../repository/erasures.ts";
import type { Context, Source, Watch } from "../context.ts";
import { commandFor, type OpenLedger, openLedger } from "../recovery/erase.ts";
import type { Finding } from "./check.ts";

/** Nothing for a source without entries. One that cannot be reached is told by its own finding. */
export async function checkErasures(context: Context, source: Source, watch: Watch): Promise<Finding[]> {
  const name = `erasure ledger of ${source.name}`;
  const ledger = await openLedger(context, source.name, watch.signal);
  const doubts = ledger.doubts.map(
    (message): Finding => ({ name, outcome: "inconclusive", message: `a restore would not be known to erase all: ${message}` }),
  );
  // Without foreign keys, nothing is kept from being erased.
  if (ledger.entries.length === 0 || source.engine.erasure?.followers === undefined) return doubts;
  let gaps: readonly Gap[];
  try {
    gaps = await gapsOf(source, ledger, watch);
  } catch (error) {
    watch.signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    if (error.code === "SOURCE_UNREACHABLE") return doubts;
    const message = `whether rows refer to erased ones is not known: ${error.message}`;
    return [...doubts, { name, outcome: "inconclusive", message, code: error.code, next: error.hint }];
  }
  const found = [...Map.groupBy(gaps, ({ link: { table, columns } }) => `${table} (${columns.join(", ")})`)].map(
    ([rows, of]): Finding => ({
      name,
      outcome: "inconclusive",
      message: `a restore would leave ${rows} with rows that refer to erased ones, and a foreign key that is not valid`,
      next: `record them too: ${commandFor(
        source,
        of.map(({ head }) => head),
        of[0]?.head.table ?? "",
      )}`,
    }),
  );
  if (doubts.length + found.length > 0) return [...doubts, ...found];
  return [{ name, outcome: "pass", message: "what refers to the rows of its entries is recorded too" }];
}

interface Gap {
  readonly head: Erasure;
  readonly link: Follower;
}

/** Foreign keys that keep rows of an entry from being deleted, and that no entry follows. */
async function gapsOf({ engine: { erasure }, provider }: Source, { entries, keys }: OpenLedger, work: Work): Promise<Gap[]> {
  if (erasure?.followers === undefined) return [];
  const live = await provider.connection(work);
  const pairs = entries.flatMap((entry, i) => (keys[i] === undefined ? [] : [{ entry, keys: keys[i] }]));
  const gaps: Gap[] = [];
  for (const heads of Map.groupBy(
    pairs.filter(({ entry }) => entry.follows === undefined),
    ({ entry }) => entry.table,
  ).values()) {
    const [first] = heads;
    if (first === undefined) continue;
    // Without a key, no row is read: the foreign keys alone.
    const links = await erasure.followers(live, { ...first.keys, hashes: [] }, work);
    for (const link of links.filter(({ refuses }) => refuses)) {
      for (const head of heads) {
        const isRecorded = pairs.some(
          (other) =>
            other.entry.table === link.table &&
            sameNames(other.entry.columns, link.columns) &&
            (other.entry.follows?.id === head.entry.id || holdsKeys(other.keys, link, head)),
        );
        if (!isRecorded) gaps.push({ head: head.entry, link });
      }
    }
  }
  return gaps;
}

const sameNames = (one: readonly string[], other: readonly string[]): boolean => one.join("\0") === other.join("\0");

/** Rows that refer to the entry's own columns may have been recorded by the same keys. */
function holdsKeys(
  { salt, hashes }: OpenLedger["keys"][number],
  { follows }: Follower,
  head: { entry: Erasure; keys: OpenLedger["keys"][number] },
) {
  const own = new Set(hashes);
  return (
    salt === head.keys.salt &&
    follows.table === head.entry.table &&
    sameNames(follows.columns, head.entry.columns) &&
    head.keys.hashes.every((one) => own.has(one))
  );
}
