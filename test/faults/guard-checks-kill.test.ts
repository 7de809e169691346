// kill -9 after a guarded change has succeeded: while it is checked, and while its point is released.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { every } from "../support/every.ts";
import { worldOnS3 } from "../support/kill.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { CHANGES } from "../support/s3/faults.ts";

test("R11 R40 a guard that is killed in its checks or release ends, run again, without a second change", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const production = await freshDatabase();
  await query(production, "create table public.runs (feature text)");
  let onHealth = (answer: () => void): void => answer();
  const application = createServer((_, response) => onHealth(() => response.writeHead(200).end()));
  application.listen(0, "127.0.0.1");
  await once(application, "listening");
  t.after(() => application.close());
  const address = application.address();
  assert.ok(address !== null && typeof address === "object");
  const more = `health: { url: "http://127.0.0.1:${address.port}/", timeout: 60s }`;
  const world = await worldOnS3(t, production, "", more);
  const { faults } = world.s3;
  const runs = async (feature: string) =>
    (await query<{ n: number }>(production, `select count(*)::int as n from runs where feature = '${feature}'`))[0]?.n;
  const args = (feature: string) => {
    const line = `${postgresBin()}/psql -X -q -d '${production.url}' -c "insert into public.runs values ('${feature}')"`;
    return ["guard", "shop", "--feature", feature, "--yes", "shop", "--json", "--", "/bin/sh", "-c", line];
  };
  /** Killed while the checks are asked (0), or at the nth change of the repository after that. Undefined: it ended before. */
  const killedAt = async (n: number, feature: string): Promise<string | undefined> => {
    let hit = false;
    const before = () => CHANGES.reduce((sum, operation) => sum + (faults.seen.get(operation) ?? 0), 0);
    let asked: number | undefined;
    onHealth = (answer) => {
      if (n === 0) {
        hit = true;
        return;
      }
      asked = before();
      if (n > 1) faults.next({ operation: CHANGES, times: n - 1, effect: { kind: "latency", ms: 0 } });
      faults.next({ operation: CHANGES, times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
      answer();
    };
    const running = world.start(...args(feature));
    let over = false;
    void running.ended.then(() => {
      over = true;
    });
    while (!over && !hit) {
      await sleep(5);
      hit ||= asked !== undefined && before() - asked >= n;
    }
    running.kill("SIGKILL");
    const { signal, exit, stderr } = await running.ended;
    faults.clear();
    onHealth = (answer) => answer();
    if (signal === "SIGKILL") return signal;
    assert.equal(exit, 0, stderr);
    return undefined;
  };
  let killed = 0;
  for (let n = 0; (await killedAt(n, `f${n}`)) !== undefined; n += every(6)) {
    killed++;
    const again = await world.expect(0, ...args(`f${n}`));
    const { outcome, continued, point } = again.json();
    assert.equal(outcome, "succeeded", `${n}`);
    // Once the guard has noted its end, the same command is another change.
    assert.equal(await runs(`f${n}`), continued === null ? 2 : 1, `change ${n}: ${again.stdout}`);
    const { points } = (await world.expect(0, "list", "--json")).json();
    const kept = points.find(({ id }: { id: string }) => id === point.id);
    assert.deepEqual([kept.hold, typeof kept.expiresAt], [null, "string"], `${n}: the point is released`);
  }
  assert.ok(killed >= 2, `killed ${killed} times`);
  assert.ok((await runs("f0")) === 1, "killed in its checks");
});
