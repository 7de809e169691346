// count, distinct, explain.
import type { Document } from "bson";
import { type Call, collectionOf, type Handlers, numberIn } from "../call.ts";
import { findSource } from "../find.ts";
import { compileFilter } from "../match.ts";
import { candidates } from "../paths.ts";
import { int } from "../pipeline.ts";
import { LATEST } from "../position.ts";
import { typedOf } from "../raw.ts";
import { documentsOf } from "../scan.ts";
import { presentOf, wantedSnapshot } from "../snapshot.ts";
import { keyOf } from "../values.ts";

function count(call: Call): Document {
  const { body, store, db } = call;
  const name = collectionOf(call);
  const test = compileFilter(body.query);
  const [skip, limit] = [numberIn(body, "skip", 0), Math.abs(numberIn(body, "limit", 0))];
  const records = store.find(db, name)?.records;
  let n = 0;
  if (test === undefined && records !== undefined && !records.pending) n = records.count;
  else for (const raw of documentsOf(store, db, name, LATEST, body.query)) if (test === undefined || test(typedOf(raw))) n++;
  n = Math.max(0, n - skip);
  return { n: int(limit > 0 ? Math.min(n, limit) : n) };
}

function distinct(call: Call): Document {
  const { body, store, db } = call;
  const at = wantedSnapshot(call);
  const source = findSource(store, db, collectionOf(call), { filter: body.query }, at ?? presentOf(call));
  const parts = String(body.key).split(".");
  const found = new Map<string, unknown>();
  for (let raw = source.next(); raw !== undefined; raw = source.next()) {
    for (const value of candidates(typedOf(raw), parts)) {
      if (value !== undefined && !Array.isArray(value)) found.set(keyOf(value), found.get(keyOf(value)) ?? value);
    }
  }
  return { values: [...found.values()] };
}

function explain(call: Call): Document {
  const command = call.body.explain as Document;
  const ns = `${call.db}.${String(command[Object.keys(command)[0] as string])}`;
  const winningPlan = { stage: "COLLSCAN", filter: command.filter ?? command.query ?? {}, direction: "forward" };
  return {
    explainVersion: "1",
    queryPlanner: { namespace: ns, parsedQuery: winningPlan.filter, winningPlan, rejectedPlans: [] },
    command,
    serverInfo: { host: call.world.host, port: call.world.port, version: call.world.version },
  };
}

export const COUNTING: Handlers = { count, distinct, explain };
