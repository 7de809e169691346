// The queue of several machines: pg-boss in a schema of its own. pg-boss keeps states, priorities, pauses and heartbeats; a key is the id
// of its job, so that the database itself refuses a second one. A job that is done is deleted, and its key can come again.
import { createHash } from "node:crypto";
import { type JobWithMetadata, PgBoss } from "pg-boss";
import { priorityOf, type WorkFailure, type WorkItem } from "../../core/work.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import type { QueueOrder } from "../../ports/descriptor.ts";
import type { Claim, Queue, QueueEntry, SeenWorker, Told, WorkerReport } from "../../ports/queue.ts";
import { asQueueError, Link } from "./link.ts";

const SCHEMA = "lifeboat_queue";
const NAME = "work";
const DAY_S = 86_400;
const LONGEST_PAUSE_S = 3600;
/** A worker reports at each look at the queue; one that is silent for so long is gone. */
const SILENT = "interval '5 minutes'";
const ALL = 100_000;

const WORKERS = `${SCHEMA}.lifeboat_worker`;
const CREATE_WORKERS = `create table if not exists ${WORKERS} (name text primary key, report jsonb not null, seen_at timestamptz not null)`;
const ANSWERS = `${SCHEMA}.lifeboat_answer`;
const CREATE_ANSWERS = `create table if not exists ${ANSWERS}
  (key text, at bigint generated always as identity, answer text not null, told_at timestamptz not null default pg_catalog.now(), primary key (key, at))`;
const ANSWERED = "interval '7 days'";
/** Of one transaction at a time over all machines. */
const CHOOSING = 7_241_105_330_001;

type Stored = JobWithMetadata<WorkItem>;

/** What decides about a job. */
type Candidate = Pick<Stored, "id" | "data" | "state" | "retryCount" | "heartbeatOn">;

const JOBS = `${SCHEMA}.job`;
const CANDIDATES = `select id, data, state, retry_count as "retryCount", heartbeat_on as "heartbeatOn" from ${JOBS} where name = '${NAME}'`;
/** Waiting jobs that are read at first. */
const PAGE = 50;
const MOST_URGENT = 2 ** 31 - 1;

/** QUEUE_UNREACHABLE, QUEUE_REFUSED. */
export async function openPostgresQueue({ address, attempts, pauseMs, takeOverMs, clock, parse }: QueueOrder): Promise<Queue> {
  const connection = connectionFromUrl(address);
  const link = new Link(connection);
  /** Transactions run here, one after another. */
  const transactions = new Link(connection);
  /** pg-boss itself takes over later, and with a pause: where no worker looks at the queue. */
  const boundS = Math.max(10, Math.ceil((2 * takeOverMs) / 1000));
  const boss = new PgBoss({
    db: link,
    schema: SCHEMA,
    schedule: false,
    superviseIntervalSeconds: boundS,
    monitorIntervalSeconds: boundS,
  });
  // A pass that failed is tried again at its next turn; what a caller asks for throws by itself.
  boss.on("error", () => {});
  const asked = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw asQueueError(error);
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  const inTransaction = <T>(act: (db: Link) => Promise<T>): Promise<T> => {
    const next = last.then(() =>
      asked(async () => {
        await transactions.executeSql("begin");
        try {
          await transactions.executeSql(`select pg_catalog.pg_advisory_xact_lock(${CHOOSING})`);
          const value = await act(transactions);
          await transactions.executeSql("commit");
          return value;
        } catch (error) {
          await transactions.executeSql("rollback").catch(() => transactions.close());
          throw error;
        }
      }),
    );
    last = next.catch(() => undefined);
    return next;
  };

  const all = async (db: Link): Promise<Stored[]> => {
    const jobs = await boss.findJobs<WorkItem>(NAME, { limit: ALL, db });
    return jobs.sort((a, b) => b.priority - a.priority || a.createdOn.getTime() - b.createdOn.getTime());
  };
  const insert = (items: readonly WorkItem[], db?: Link): Promise<string[] | null> =>
    boss.insert(
      NAME,
      items.map((item) => ({
        id: idOf(item.key),
        data: item,
        priority: priorityOf(item.operation),
        // One of the past would count as kept for too long.
        ...(new Date(item.notBefore) > clock.now() && { startAfter: item.notBefore }),
        retryLimit: attempts - 1,
        retryDelay: Math.max(1, Math.round(pauseMs / 1000)),
        retryBackoff: true,
        retryDelayMax: LONGEST_PAUSE_S,
        expireInSeconds: DAY_S - 1,
        heartbeatSeconds: boundS,
      })),
      { returnId: true, ...(db && { db }) },
    );
  /** Puts back what silent workers ran. An item whose attempts are used up is parked: it may be what ends them. */
  const takeOver = async (jobs: readonly Candidate[], now: Date, db: Link): Promise<boolean> => {
    const silent = jobs.filter(({ state, heartbeatOn }) => state === "active" && heartbeatOn !== null && isSilent(heartbeatOn, now));
    for (const job of silent) {
      const failure: WorkFailure = { code: "LEASE_LOST", message: "its worker ended without a word" };
      await boss.fail(NAME, job.id, { ...failure }, { db });
      await boss.cancel(NAME, job.id, { db });
      if (job.retryCount < attempts - 1) await boss.resume(NAME, job.id, { db });
    }
    return silent.length > 0;
  };
  const isSilent = (at: Date, now: Date): boolean => now.getTime() - at.getTime() > takeOverMs;
  const tell = async (db: Link, key: string, answers: readonly string[]): Promise<void> =>
    void (await db.executeSql(`insert into ${ANSWERS} (key, answer) select $1, answer from pg_catalog.unnest($2::text[]) as answer`, [
      key,
      [...answers],
    ]));
  const find = async (key: string, db: Link): Promise<Stored | undefined> =>
    (await boss.findJobs<WorkItem>(NAME, { id: idOf(key), db }))[0];

  const running = async (db: Link): Promise<Candidate[]> => (await db.executeSql(`${CANDIDATES} and state = 'active'`)).rows;
  const waiting = async (db: Link, most: number): Promise<Candidate[]> => {
    const order = `order by priority desc, created_on, id limit ${most}`;
    return (await db.executeSql(`${CANDIDATES} and state < 'active' and start_after <= pg_catalog.now() ${order}`)).rows;
  };
  /** The work items of these rows. Others, which no scheduler put, are passed over. */
  const itemsOf = (jobs: readonly Candidate[]): WorkItem[] =>
    jobs.flatMap(({ id, data }) => {
      const item = parse(data);
      return item === undefined || idOf(item.key) !== id ? [] : [item];
    });
  /** Claims the job with this id: pg-boss fetches the most urgent one, which it is for that moment. */
  const fetchOne = async (id: string, db: Link): Promise<Stored | undefined> => {
    const before = await db.executeSql(`select priority from ${JOBS} where name = '${NAME}' and id = $1`, [id]);
    await db.executeSql(`update ${JOBS} set priority = ${MOST_URGENT} where name = '${NAME}' and id = $1`, [id]);
    for (;;) {
      const [job] = await boss.fetch<WorkItem>(NAME, { includeMetadata: true, db });
      if (job !== undefined && job.id !== id) {
        await boss.cancel(NAME, job.id, { db }); // a row that says that it is as urgent: no scheduler put it
        continue;
      }
      await db.executeSql(`update ${JOBS} set priority = $2 where name = '${NAME}' and id = $1`, [id, before.rows[0]?.priority ?? 0]);
      return job;
    }
  };

  const claimOf = (job: Stored, item: WorkItem): Claim => {
    const mine = { id: job.id, retryCount: job.retryCount };
    const isMine = (answer: object): boolean => "affected" in answer && Number(answer.affected) > 0;
    return {
      item,
      attempt: job.retryCount + 1,
      renew: () => asked(async () => isMine(await boss.touch(NAME, mine))),
      done: (answer) =>
        answer === undefined
          ? asked(async () => void (await boss.deleteJob(NAME, mine)))
          : inTransaction(async (db) => {
              if (isMine(await boss.deleteJob(NAME, mine, { db }))) await tell(db, item.key, [answer]);
            }),
      tell: (answers) => asked(() => tell(link, item.key, answers)),
      fail: (failure) => asked(async () => isMine(await boss.fail(NAME, mine, { ...failure })) && job.retryCount >= attempts - 1),
      park: (failure) =>
        inTransaction(async (db) => {
          if (isMine(await boss.fail(NAME, mine, { ...failure }, { db }))) await boss.cancel(NAME, job.id, { db });
        }),
      handBack: () =>
        inTransaction(async (db) => {
          if (isMine(await boss.cancel(NAME, mine, { db }))) await boss.resume(NAME, job.id, { db });
        }),
    };
  };

  await asked(async () => {
    await boss.start();
    await boss.createQueue(NAME);
    await link.executeSql(CREATE_WORKERS);
    await link.executeSql(CREATE_ANSWERS);
  });

  return {
    renewEveryMs: takeOverMs / 4,
    put: (items) =>
      asked(async () => {
        const ids = new Set(await insert([...new Map(items.map((item) => [item.key, item])).values()]));
        return items.filter(({ key }) => ids.delete(idOf(key))).map(({ key }) => key);
      }),
    take: (choose) =>
      inTransaction(async (db) => {
        const { rows } = await db.executeSql("select pg_catalog.now() as now");
        const now: Date = rows[0].now;
        let active = await running(db);
        if (await takeOver(active, now, db)) active = await running(db);
        // Most often one of the first fits. Only when none does are all of them read.
        let chosen: WorkItem | undefined;
        for (const most of [PAGE, ALL]) {
          const jobs = await waiting(db, most);
          const items = itemsOf(jobs);
          chosen = items.length === 0 ? undefined : choose(items, itemsOf(active));
          if (chosen !== undefined || jobs.length < most) break;
        }
        const job = chosen && (await fetchOne(idOf(chosen.key), db));
        return job && chosen && claimOf(job, chosen);
      }),
    find: (key) =>
      asked(async () => {
        const job = await find(key, link);
        return job && entryOf(job, parse(job.data))[0];
      }),
    told: (key, after) =>
      asked(async () => {
        const { rows } = await link.executeSql(`select at, answer from ${ANSWERS} where key = $1 and at > $2 order by at`, [key, after]);
        return rows.map(({ at, answer }: { at: string; answer: string }): Told => ({ at: Number(at), answer }));
      }),
    list: () => asked(async () => (await all(link)).flatMap((job) => entryOf(job, parse(job.data)))),
    release: (key) =>
      inTransaction(async (db) => {
        const job = await find(key, db);
        if (job === undefined || !isParked(job)) return false;
        await boss.deleteJob(NAME, job.id, { db });
        await insert([job.data], db);
        return true;
      }),
    drop: (key) =>
      inTransaction(async (db) => {
        const job = await find(key, db);
        if (job === undefined || job.state === "active") return false;
        await boss.deleteJob(NAME, job.id, { db });
        return true;
      }),
    withdraw: (key) =>
      inTransaction(async (db) => {
        await boss.deleteJob(NAME, idOf(key), { db });
        await db.executeSql(`delete from ${ANSWERS} where key = $1`, [key]);
      }),
    report: (worker) =>
      asked(async () => {
        await link.executeSql(
          `insert into ${WORKERS} (name, report, seen_at) values ($1, $2, pg_catalog.now())
             on conflict (name) do update set report = excluded.report, seen_at = excluded.seen_at`,
          [worker.name, JSON.stringify(worker)],
        );
        await link.executeSql(`delete from ${WORKERS} where seen_at < pg_catalog.now() - ${SILENT}`);
        await link.executeSql(`delete from ${ANSWERS} where told_at < pg_catalog.now() - ${ANSWERED}`);
      }),
    retire: (name) => asked(async () => void (await link.executeSql(`delete from ${WORKERS} where name = $1`, [name]))),
    workers: () =>
      asked(async () => {
        const { rows } = await link.executeSql(
          `select report, seen_at from ${WORKERS} where seen_at >= pg_catalog.now() - ${SILENT} order by name`,
        );
        return rows.map(({ report, seen_at }: { report: WorkerReport; seen_at: Date }): SeenWorker => ({ ...report, seenAt: seen_at }));
      }),
    async close() {
      await boss.stop({ graceful: false, close: false }).catch(() => undefined); // the database may be away
      await Promise.all([link.close(), transactions.close()]);
    },
  };
}

/** The id of a key's job: a UUID of its digest. */
function idOf(key: string): string {
  const hex = createHash("sha256").update(key).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

const isWaiting = ({ state }: Stored): boolean => state === "created" || state === "retry";
const isParked = ({ state }: Stored): boolean => state === "failed" || state === "cancelled";

function entryOf(job: Stored, item: WorkItem | undefined): QueueEntry[] {
  if (item === undefined) return [];
  const state = isWaiting(job) ? "waiting" : isParked(job) ? "parked" : "running";
  const attempts = job.startedOn === null ? 0 : job.retryCount + 1;
  return [{ item, state, attempts, notBefore: job.startAfter, failure: failureOf(job.output) }];
}

function failureOf(output: unknown): WorkFailure | undefined {
  if (typeof output !== "object" || output === null) return undefined;
  if ("code" in output && "message" in output) return output as WorkFailure;
  // pg-boss says so of a worker that did not renew its claim.
  return "value" in output ? { code: "LEASE_LOST", message: "its worker ended without a word" } : undefined;
}
