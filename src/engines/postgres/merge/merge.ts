// A merge: a restored copy and the live database are compared by key, what differs becomes a change set, and that is staged, told and applied.
// An undo is the same from a stored change set on.
import { type ErasedKeys, leftErased } from "../../../core/erasure.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { MergeOptions, Merging, UndoOptions } from "../../../ports/merge.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { asSourceError } from "../fingerprint/failure.ts";
import type { Asker } from "../fingerprint/snapshot.ts";
import { applyChanges } from "./apply.ts";
import { writeChanges } from "./changes.ts";
import { comparePair, openSides, type Pair, pairOf, pairTables, type Sides } from "./compare.ts";
import { Entries } from "./entries.ts";
import { findingsOf, NOTHING_TOLD, type Told } from "./findings.ts";
import { foreignKeys } from "./foreign-keys.ts";
import { scopeOf } from "./scope.ts";
import { type LiveState, stageChanges, withoutErased } from "./stage.ts";
import { describeTables } from "./tables.ts";

const askerOf = (client: Client): Asker => ({ ask: (sql, values) => client.query(sql, values) });

export async function beginMerge(pastGiven: Connection, nowGiven: Connection, options: MergeOptions): Promise<Merging> {
  const { signal, tables: patterns, where, deleteExtra = false, follow = true } = options;
  const [past, now] = [directConnection(pastGiven), directConnection(nowGiven)];
  return await withClients([past, now], signal, async ([copy, client], end) => {
    const live = await liveState(client);
    const sides = await openSides({ past, now }, signal);
    try {
      const chosen = pairTables(sides, patterns, now.label);
      const { pairs, conditions, refusals } =
        where === undefined ? { ...chosen, conditions: undefined } : scoped(sides, chosen, live, where);
      const entries = new Entries(copy, client, sides);
      let rows = 0;
      for (const pair of pairs) {
        signal?.throwIfAborted();
        const compared = await comparePair(sides, pair, conditions?.get(pair.now.name)?.("t"));
        rows += compared.rows.past + compared.rows.now;
        await entries.add(pair, compared.differences(), conditions === undefined, deleteExtra);
      }
      if (follow) await entries.follow(live.keys);
      await sides.end();
      const told: Told = {
        compared: rows,
        refusals: [...refusals, ...entries.refusals],
        extra: new Map(entries.tables.map(({ pair, extra }) => [pair.now.name, extra])),
        followed: new Map(entries.tables.flatMap((one) => followedOf(one, chosen.pairs))),
        sequences: await sequencesOf(copy, entries.tables),
      };
      return await mergingOf(live, writeChanges(copy, sides.algorithm, entries.sections()), told, end);
    } catch (error) {
      throw asSourceError(error, signal);
    } finally {
      await sides.end();
    }
  });
}

/** Chosen tables by the condition, and those whose rows belong to theirs. */
function scoped(sides: Sides, chosen: ReturnType<typeof pairTables>, live: LiveState, where: string) {
  const tables = chosen.pairs.map(({ now }) => now);
  const conditions = scopeOf(where, tables, live.tables, live.keys);
  const found = [...conditions.keys()].map((name) => pairOf(sides, name));
  const pairs = found.filter((each) => "past" in each);
  return { pairs, conditions, refusals: [...chosen.refusals, ...found.filter((each) => "obstacle" in each)] };
}

function followedOf({ pair, followed }: Entries["tables"][number], chosen: readonly Pair[]): [string, readonly string[]][] {
  const isChosen = chosen.some(({ now }) => now.name === pair.now.name);
  return isChosen ? [] : [[pair.now.name, [...followed]]];
}

async function sequencesOf(copy: Client, tables: Entries["tables"]): Promise<Map<string, bigint>> {
  const values = new Map<string, bigint>();
  for (const { pair } of tables) {
    for (const { name } of pair.past.sequences) {
      const [row] = await copy.query<{ last: string }>(`select last_value::pg_catalog.text as last from ${name} where is_called`);
      if (row !== undefined) values.set(name, BigInt(row.last));
    }
  }
  return values;
}

export async function beginUndo(
  nowGiven: Connection,
  changes: AsyncIterable<Uint8Array>,
  { signal, erased = [] }: UndoOptions,
): Promise<Merging> {
  return await withClients([directConnection(nowGiven)], signal, async ([client], end) => {
    return await mergingOf(await liveState(client), changes, NOTHING_TOLD, end, erased);
  });
}

async function mergingOf(
  live: LiveState,
  changes: AsyncIterable<Uint8Array>,
  told: Told,
  end: () => Promise<void>,
  erased: readonly ErasedKeys[] = [],
): Promise<Merging> {
  const staged = await stageChanges(live.client, live.tables, changes);
  const left = leftErased(await withoutErased(live.client, staged, erased), "row");
  const found = await findingsOf(live, staged, told);
  const findings = { ...found, remarks: [...left, ...found.remarks] };
  return { findings, end, apply: (options) => applyChanges(live, staged, findings.sequences, options) };
}

async function liveState(client: Client): Promise<LiveState> {
  const asker = askerOf(client);
  const tables = await describeTables(asker, []);
  return { client, tables, keys: await foreignKeys(asker), mayReplicate: await mayReplicate(client) };
}

/** Superusers, and since PostgreSQL 15 roles that were granted it. */
async function mayReplicate(client: Client): Promise<boolean> {
  try {
    await client.query("begin; set local session_replication_role = replica");
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== "42501") throw error;
    return false;
  } finally {
    await client.query("rollback");
  }
}

/** Opens the sessions, which stay open until the merge is ended, or closes them when `use` throws. */
async function withClients<const C extends readonly Connection[]>(
  connections: C,
  signal: AbortSignal | undefined,
  use: (clients: { readonly [K in keyof C]: Client }, end: () => Promise<void>) => Promise<Merging>,
): Promise<Merging> {
  const opened: Client[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(opened.map((client) => client.close()));
  };
  try {
    for (const connection of connections) opened.push(await openClient(connection, { signal, statementTimeoutMs: 0 }));
    return await use(opened as unknown as { readonly [K in keyof C]: Client }, end);
  } catch (error) {
    await end();
    throw error;
  }
}
