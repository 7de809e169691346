// Jobs that callers of the API began, with their idempotency keys: in a private file of this machine, so that a restart forgets none.
// The repository has the journal of each job; here is what was asked, by whom, and the result.
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod/mini";
import { about, count, instant, jobId, named, orNull, sourceName } from "../../operations/schemas.ts";
import { lifeOf, ownerSchema, thisOwner } from "../../repository/owner.ts";
import { callsOnFile, onFile, openPrivateDatabase } from "../../repository/private-database.ts";
import { problem } from "./problem.ts";

const actor = z.strictObject({
  kind: about(z.enum(["user", "person", "token", "service"]), "What the caller is."),
  name: z.string(),
  via: about(z.enum(["command line", "library", "api", "mcp", "schedule"]), "How they asked."),
  from: z.optional(about(z.string(), "Network address of the caller.")),
});

const jobShape = z.strictObject({
  id: jobId,
  operation: about(z.string(), "As in the registry."),
  source: orNull(sourceName),
  state: about(z.enum(["running", "done", "failed", "abandoned"]), "`abandoned`: the service died while it ran."),
  actor,
  startedAt: instant,
  endedAt: orNull(instant),
  exit: about(orNull(count), "Exit status of the same call on the command line. Null: it has not ended."),
  result: about(z.unknown(), "The operation's result. Null: there is none."),
  error: about(orNull(problem), "Why it failed."),
});
export const apiJob = named("job", "An operation that a caller began.", jobShape);
export type ApiJob = z.infer<typeof jobShape>;

interface IdempotencyKey {
  readonly caller: string;
  readonly key: string;
}

export interface Order {
  readonly job: Pick<ApiJob, "id" | "operation" | "source" | "actor" | "startedAt">;
  /** The key of the caller, for whom it is unique. */
  readonly idempotency?: IdempotencyKey | undefined;
  /** SHA-256 of operation and request. */
  readonly digest: string;
  /** A worker runs it: the service may end meanwhile. */
  readonly queued?: boolean | undefined;
}

export interface JobStore {
  /** Files a new job. The one that has the idempotency key already is returned instead, with the digest of its request. */
  begin(order: Order): { readonly job: ApiJob; readonly digest: string; readonly isNew: boolean };
  has(key: IdempotencyKey): boolean;
  end(id: string, how: Pick<ApiJob, "state" | "endedAt" | "exit" | "result" | "error">): void;
  find(id: string): ApiJob | undefined;
  /** Jobs that workers run, and that a service which has died followed. From now on this one follows them. */
  adopt(): readonly ApiJob[];
  close(): void;
}

const SCHEMA = `
  create table if not exists job (id text primary key, caller text, key text, digest text not null, operation text not null, source text,
    actor text not null, startedAt text not null, endedAt text, state text not null, exit integer, result text, error text,
    owner text not null, unique (caller, key)) without rowid;
  create table if not exists queued (id text primary key) without rowid;
  create index if not exists job_by_state on job (state);
  create index if not exists job_by_start on job (startedAt);`;

/** Results can be large. Older ones, and their idempotency keys, are forgotten. */
const KEPT_MS = 30 * 86_400_000;

const json = z.pipe(
  z.nullable(z.string()),
  z.transform((text): unknown => (text === null ? null : JSON.parse(text))),
);
const row = z.object({ ...jobShape.shape, actor: z.pipe(json, actor), result: json, error: z.pipe(json, orNull(problem)) });
const stored = z.object({ digest: z.string(), owner: z.pipe(json, ownerSchema) });

/** Opens the file. Jobs of a service that died are abandoned: their journals say what the next start cleans up. Throws STATE_UNUSABLE. */
export const openJobStore = (path: string, now: Date): JobStore =>
  onFile(path, () => callsOnFile(path, storeIn(openPrivateDatabase(path, SCHEMA), now)));

function storeIn(database: DatabaseSync, now: Date): JobStore {
  const forget = (at: Date): void =>
    void database.prepare("delete from job where startedAt < ? and state <> 'running'").run(new Date(at.getTime() - KEPT_MS).toISOString());
  const left: string[] = [];
  const abandon = database.prepare("update job set state = 'abandoned', endedAt = ? where id = ?");
  for (const { id, owner } of database.prepare("select id, owner from job where state = 'running'").all()) {
    const of = ownerSchema.safeParse(JSON.parse(String(owner)));
    const isAlive = of.success && lifeOf(of.data) === "alive";
    const isQueued = database.prepare("select 1 from queued where id = ?").get(String(id)) !== undefined;
    // A service that has ended in this process is over too.
    if (isQueued && (!isAlive || owner === JSON.stringify(thisOwner()))) left.push(String(id));
    else if (!isAlive) abandon.run(now.toISOString(), String(id));
  }
  forget(now);
  const find = (id: string): ApiJob | undefined => {
    const found = database.prepare("select * from job where id = ?").get(id);
    return found === undefined ? undefined : row.parse(found);
  };
  return {
    find,
    adopt() {
      const adopt = database.prepare("update job set owner = ? where id = ?");
      const own = JSON.stringify(thisOwner());
      return left.splice(0).flatMap((id) => {
        adopt.run(own, id);
        return find(id) ?? [];
      });
    },
    begin({ job: { id, operation, source, actor: by, startedAt }, idempotency, digest, queued }) {
      forget(new Date(startedAt));
      const { changes } = database
        .prepare(
          "insert into job (id, caller, key, digest, operation, source, actor, startedAt, state, owner) values (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?) on conflict (caller, key) do nothing",
        )
        .run(
          id,
          idempotency?.caller ?? null,
          idempotency?.key ?? null,
          digest,
          operation,
          source,
          JSON.stringify(by),
          startedAt,
          JSON.stringify(thisOwner()),
        );
      const isNew = changes === 1;
      if (isNew && queued === true) database.prepare("insert into queued values (?)").run(id);
      const found = isNew
        ? database.prepare("select * from job where id = ?").get(id)
        : database.prepare("select * from job where caller = ? and key = ?").get(idempotency?.caller ?? "", idempotency?.key ?? "");
      return { job: row.parse(found), digest: stored.parse(found).digest, isNew };
    },
    has: ({ caller, key }) => database.prepare("select 1 from job where caller = ? and key = ?").get(caller, key) !== undefined,
    end(id, { state, endedAt, exit, result, error }) {
      database
        .prepare("update job set state = ?, endedAt = ?, exit = ?, result = ?, error = ? where id = ?")
        .run(state, endedAt, exit, JSON.stringify(result ?? null), error === null ? null : JSON.stringify(error), id);
      database.prepare("delete from queued where id = ?").run(id);
    },
    close: () => database.close(),
  };
}
