import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openJobStore } from "./job-store.ts";

const now = new Date("2026-11-29T12:00:00Z");
const actor = { kind: "token", name: "ci", via: "api" } as const;

test("R51 a job whose service died is abandoned and keeps its key; one of a living service still runs", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lb-jobs-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "state", "api.sqlite");
  const first = openJobStore(path, now);
  const order = (id: string, key?: string) => ({
    job: { id, operation: "backup", source: "shop", actor, startedAt: now.toISOString() },
    idempotency: key === undefined ? undefined : { caller: "token:1", key },
    digest: "d",
  });
  assert.ok(first.begin(order("job1", "k1")).isNew);
  assert.ok(first.begin(order("job2")).isNew && first.begin(order("job3")).isNew, "jobs without a key do not exclude each other");
  first.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);

  const database = new DatabaseSync(path);
  database.exec(`update job set owner = json_set(owner, '$.pid', 4194304, '$.startedTicks', '1') where id = 'job1'`);
  database.close();
  const second = openJobStore(path, now);
  assert.deepEqual([second.find("job1")?.state, second.find("job2")?.state], ["abandoned", "running"]);
  const again = second.begin(order("job4", "k1"));
  assert.deepEqual([again.isNew, again.job.id, second.has({ caller: "token:2", key: "k1" })], [false, "job1", false]);
  second.close();
  const later = openJobStore(path, new Date(now.getTime() + 31 * 86_400_000));
  assert.equal(later.find("job1"), undefined, "it is forgotten after 30 days");
  later.end("job2", { state: "done", endedAt: now.toISOString(), exit: 0, result: null, error: null });
  const next = order("job5");
  later.begin({ ...next, job: { ...next.job, startedAt: new Date(now.getTime() + 31 * 86_400_000).toISOString() } });
  assert.equal(later.find("job2"), undefined, "also while the service runs");
  assert.equal(later.find("job3")?.state, "running", "one that runs is kept");
  later.close();
});

test("R51 a store of jobs that cannot be opened is an error of the machine, not a bug", (t) => {
  const path = mkdtempSync(join(tmpdir(), "lb-jobs-"));
  t.after(() => rmSync(path, { recursive: true }));
  assert.throws(() => openJobStore(path, now), { code: "STATE_UNUSABLE" });
});
