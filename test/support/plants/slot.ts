// Plants in the replication slot that a log archive of PostgreSQL reads.
import type { TestContext } from "node:test";
import { archive } from "../../../src/operations/archive/archive.ts";
import { backup } from "../../../src/operations/backup/backup.ts";
import { segmentFiles, until } from "../archive.ts";
import { tablespaceDirectory } from "../base-world.ts";
import { logCluster } from "../log-cluster.ts";
import { query } from "../postgres.ts";
import { beginWorld } from "../program.ts";
import type { Plants } from "./plant.ts";
import { beatOn, wired } from "./stored-world.ts";

/** A server that drops WAL of a slot as soon as it may. */
const SETTINGS = { max_slot_wal_keep_size: "2MB", wal_keep_size: "0", max_wal_size: "2MB", min_wal_size: "2MB" };

/** A source whose WAL is being archived. */
export async function beginAtSlot(t: TestContext) {
  const cluster = await logCluster({ segmentMegabytes: 1, settings: SETTINGS });
  t.after(() => cluster.remove());
  const shop = cluster.connection();
  await query(shop, "create table t as select 1 as id");
  const world = await beginWorld(t, {
    sources: { shop },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  const on = wired(world, () => new Date());
  const slotIs = (condition: string) =>
    until(`the slot is ${condition}`, async () => (await query(shop, `select from pg_replication_slots where ${condition}`)).length > 0);
  let stop = async (): Promise<void> => {};
  world.beforeEnd(() => stop());
  const at = {
    async archive(): Promise<void> {
      const stopping = new AbortController();
      const running = on((context, source) => archive(context, source, { ...context, signal: stopping.signal }));
      stop = async () => {
        stopping.abort();
        await running;
      };
      await Promise.race([slotIs("active"), running]);
    },
    stop: () => stop(),
    /** The archive stores WAL that the server writes now. */
    async store(): Promise<void> {
      const before = segmentFiles(world).length;
      await query(shop, "insert into t values (3); select pg_switch_wal()");
      await until("a segment more is stored", async () => segmentFiles(world).length > before);
    },
    /** The server drops the WAL that the slot needs. */
    async drop(): Promise<void> {
      for (let n = 0; n < 5; n++) await query(shop, "insert into t values (2); select pg_switch_wal()");
      await query(shop, "checkpoint");
      await slotIs("wal_status = 'lost'");
    },
    backup: () => on((context, source) => backup(context, source, { kind: "base" }, context)),
    beat: beatOn(on),
    shop,
    place: await tablespaceDirectory(t),
  };
  await at.archive();
  await at.backup();
  return at;
}

type AtSlot = Awaited<ReturnType<typeof beginAtSlot>>;

export const SLOT = {
  BASE_OUTDATED: {
    async cause({ shop, place }) {
      await query(shop, `create tablespace late location '${place}'`);
    },
    async cure({ backup: make }) {
      await make();
    },
  },
  SLOT_INACTIVE: { cause: ({ stop }) => stop(), cure: ({ archive: begin }) => begin() },
  SLOT_LOST: {
    leaves: ["LOG_GAP"],
    async cause({ stop, drop }) {
      await stop();
      await drop();
    },
    async cure({ archive: begin, store }) {
      await begin();
      await store();
    },
  },
} satisfies Plants<AtSlot>;
