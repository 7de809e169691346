// A merge: a restored copy and the live database are compared by `_id`, and documents that are missing or changed are brought back in batches,
// each a transaction. An undo is the same from a stored change set on.
import { createHash } from "node:crypto";
import { EJSON } from "bson";
import { leftErased } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { MergeFindings, MergeRefusal, MergeSample, MergeTable, RowChange } from "../../../core/merge-plan.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { MergeOptions, Merging, UndoOptions } from "../../../ports/merge.ts";
import { decode, type Element, elementsOf } from "../bson/bson.ts";
import { type MongoSession, openMongo } from "../connect/connect.ts";
import { matcherOf } from "../erasure/keys.ts";
import { type Namespace, type SourceScope, scopeOf, tableName } from "../scope.ts";
import { applyChanges, type Change } from "./apply.ts";
import { readChanges } from "./changes.ts";
import { comparePair, digestOf, documentsById, filterOf, idInWords } from "./compare.ts";
import { endSides, expiredInWords, pairCollections, withSides } from "./sides.ts";

const SAMPLES = 5;
const LONGEST_VALUE = 80;

/** As the port says. Foreign keys do not exist, so nothing is followed. */
export async function beginMerge(past: Connection, now: Connection, options: MergeOptions, source: SourceScope): Promise<Merging> {
  filterOf(options.where);
  return await withSides(past, now, options, async (sides) => {
    assertTransactions(sides.now);
    const { pairs, refusals } = await pairCollections(sides, options.tables, source);
    const changes: Change[] = [];
    const tables: MergeTable[] = [];
    let compared = 0;
    const expiring = pairs.filter((pair) => pair.isExpiring).map(({ table }) => table);
    // A document that the copy no longer has may have been there then, and be in use: it is not known to be extra.
    const unclear = options.deleteExtra === true ? expiring : [];
    const unmergeable = [
      ...refusals,
      ...unclear.map(
        (table): MergeRefusal => ({ table, obstacle: "expiring", message: `${expiredInWords(table)}, so extra ones are not known` }),
      ),
    ];
    for (const pair of pairs) {
      if (unclear.includes(pair.table)) continue;
      const { rows, differences } = await comparePair(sides, pair, options.where, options.signal);
      compared += rows.past + rows.now;
      const wanted = differences.filter((one) => one.past !== null || options.deleteExtra === true);
      const own = wanted.map(({ id, key, past: want, now: expect }) => ({
        table: pair.table,
        place: pair.now,
        from: pair.past,
        id,
        key,
        expect,
        want,
      }));
      changes.push(...own);
      const first = own.slice(0, SAMPLES);
      const [before, after] = [
        await documentsById(
          sides.past,
          pair.past,
          first.map(({ id }) => id),
        ),
        await documentsById(
          sides.now,
          pair.now,
          first.map(({ id }) => id),
        ),
      ];
      const samples = first.map((one) => sampleOf(one, before.get(one.key), after.get(one.key)));
      tables.push({ ...countsOf(pair.table, own), extra: differences.length - wanted.length, changedSince: 0, samples });
    }
    const fetch = (place: Namespace, ids: readonly Element[]) => documentsById(sides.past, place, ids);
    const found = findingsOf(tables, unmergeable, changes);
    return {
      findings: {
        ...found,
        remarks: [...expiring.filter((table) => !unclear.includes(table)).map(expiredInWords), ...found.remarks],
        compared,
      },
      apply: (applying) => applyChanges(sides.now, changes, fetch, applying),
      end: () => endSides(sides),
    };
  });
}

/** As the port says. */
export async function beginUndo(
  now: Connection,
  bytes: AsyncIterable<Uint8Array>,
  { signal, erased = [] }: UndoOptions,
  source: SourceScope,
): Promise<Merging> {
  const read = await readChanges(bytes);
  const live = await openMongo(now, { signal, poolSize: 4 });
  try {
    assertTransactions(live);
    const scope = scopeOf(now, source);
    const gone = new Map([...Map.groupBy(erased, ({ table }) => table)].map(([table, keys]) => [table, matcherOf(keys)]));
    const stored = read.filter(({ place, document }) => document === undefined || gone.get(tableName(scope, place))?.(document) !== true);
    const changes = stored.map(({ document: _none, ...one }) => ({ ...one, table: tableName(scope, one.place), from: one.place }));
    const documents = new Map(stored.map(({ place, key, document }) => [`${place.db}.${place.collection}\0${key}`, document]));
    const tables: MergeTable[] = [];
    for (const [table, own] of Map.groupBy(changes, (one) => one.table)) {
      const counted: Change[] = [];
      const samples: MergeSample[] = [];
      let changedSince = 0;
      for (let from = 0; from < own.length; from += 500) {
        const batch = own.slice(from, from + 500);
        const [first] = batch;
        const present =
          first === undefined
            ? new Map()
            : await documentsById(
                live,
                first.place,
                batch.map(({ id }) => id),
              );
        for (const one of batch) {
          const document = present.get(one.key);
          const digest = document === undefined ? null : digestOf(document);
          if (digest === one.want) continue;
          if (digest !== one.expect) changedSince += 1;
          else counted.push(one);
          const wanted = documents.get(`${one.place.db}.${one.place.collection}\0${one.key}`);
          if (samples.length < SAMPLES) samples.push(sampleOf(one, wanted, document));
        }
      }
      tables.push({ ...countsOf(table, counted), extra: 0, changedSince, samples });
    }
    const fetch = async (place: Namespace, ids: readonly Element[], keys: readonly string[]) =>
      new Map(
        keys.slice(0, ids.length).flatMap((key) => {
          const document = documents.get(`${place.db}.${place.collection}\0${key}`);
          return document === undefined ? [] : [[key, document] as const];
        }),
      );
    const found = findingsOf(tables, [], changes);
    return {
      findings: { ...found, remarks: [...leftErased(read.length - stored.length, "document"), ...found.remarks] },
      apply: (applying) => applyChanges(live, changes, fetch, applying),
      end: () => live.close(),
    };
  } catch (error) {
    await live.close();
    throw live.translate(error, { otherwise: "DUMP_FAILED" });
  }
}

/** Only a transaction sees to it that a document did not change between its comparison and its write. */
function assertTransactions({ hello, connection }: MongoSession): void {
  if (hello.topology !== "standalone") return;
  throw new LifeboatError("CAPABILITY_MISSING", `${connection.label} is a standalone server, and a merge takes transactions`, {
    hint: "start it as a replica set of one, or restore the collection beside the live one",
  });
}

const changeOf = ({ expect, want }: Pick<Change, "expect" | "want">): RowChange =>
  want === null ? "delete" : expect === null ? "insert" : "update";

function countsOf(table: string, changes: readonly Change[]): Pick<MergeTable, "table" | "keyColumns" | "insert" | "update" | "delete"> {
  const counts = { insert: 0, update: 0, delete: 0 };
  for (const change of changes) counts[changeOf(change)] += 1;
  return { table, keyColumns: ["_id"], ...counts };
}

function sampleOf(change: Change, past: Uint8Array | undefined, now: Uint8Array | undefined): MergeSample {
  const [before, after] = [fieldsOf(past), fieldsOf(now)];
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => name !== "_id" && before.get(name) !== after.get(name));
  const values = names.map((name) => ({ name, past: before.get(name) ?? null, now: after.get(name) ?? null }));
  return { rowChange: changeOf(change), keyValues: { _id: idInWords(change.id) }, values };
}

function fieldsOf(document: Uint8Array | undefined): Map<string, string> {
  if (document === undefined) return new Map();
  return new Map(
    elementsOf(document).map((element) => {
      const value = decode(element);
      const text = typeof value === "string" ? value : EJSON.stringify(value, { relaxed: true });
      return [element.name, text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text];
    }),
  );
}

function findingsOf(tables: readonly MergeTable[], refusals: readonly MergeRefusal[], changes: readonly Change[]): MergeFindings {
  const digest = createHash("sha256");
  for (const { table, key, expect, want } of changes) digest.update(JSON.stringify([table, key, expect, want]));
  return {
    tables: tables.filter((one) => one.insert + one.update + one.delete + one.extra + one.changedSince > 0),
    unmergeable: refusals,
    sequences: [],
    remarks: changes.length === 0 ? [] : ["documents are changed in batches, each a transaction; `lifeboat undo` also takes back a part"],
    locks: [],
    digest: digest.digest("hex"),
  };
}
