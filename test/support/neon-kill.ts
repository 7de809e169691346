// A source at the sandbox of Neon, and the real program killed at the Nth request that it sends there.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../src/ports/connection.ts";
import { atMoments } from "./every.ts";
import { type SandboxedNeon, startRealNeon } from "./neon-sandbox.ts";
import { query } from "./postgres.ts";
import { beginWorld, type World } from "./program.ts";

/** Far more requests than any command makes: reaching it means that one never ends. */
const TOO_MANY = 150;
const SOURCE = "policy: p, checks: [{ table: users, rows: { min: 1 } }]";
/** Points made by hand are kept for a second, so that all but the newest are soon due to go. */
const POLICY = `policies:
  p: { window: 1d, snapshots: [{ name: "backup-{date}", cron: "0 0 * * *", keep: 30d }], keepManual: 1s }
`;

/** The API stops answering before or after the effect of the request. */
export type Silence = "stallBefore" | "stallAfter";

export interface NeonPlace extends World {
  readonly neon: SandboxedNeon;
  readonly production: Connection;
  branches(): Promise<{ readonly id: string; readonly name: string; readonly default: boolean }[]>;
  /** Removes every branch but production. */
  tidy(): Promise<void>;
  /** Ends the sandbox; otherwise the end of the test does. */
  end(): Promise<void>;
}

/** The sandbox with a database made by the SQL, and the program with a source there. */
export async function beginNeonPlace(t: TestContext, sql: string): Promise<NeonPlace> {
  const neon = await startRealNeon({ plan: "scale" });
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ended ??= neon.sandbox.close();
    return ended;
  };
  t.after(end);
  const production = { url: neon.sandbox.url, label: "production" };
  await query(production, sql);
  const world = await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox }, source: SOURCE, yaml: POLICY });
  const branches: NeonPlace["branches"] = async () => (await neon.expect(200, "GET", "/branches")).branches;
  return {
    ...world,
    neon,
    production,
    branches,
    end,
    async tidy() {
      for (const { id, default: isDefault, name } of await branches()) {
        if (isDefault) continue;
        const { status, body } = await neon.call("DELETE", `/projects/${neon.sandbox.projectId}/branches/${id}`);
        assert.ok(status < 300, `the branch ${name} could not be removed: ${status} ${JSON.stringify(body)}`);
      }
    },
  };
}

/** Runs the command until its Nth request (of those that create, after them), and kills it there. False when it ended before. */
export async function killedAtRequest(place: NeonPlace, n: number, silence: Silence, ...args: readonly string[]): Promise<boolean> {
  if (n > TOO_MANY) throw new Error(`lifeboat ${args[0]} makes more than ${TOO_MANY} requests`);
  const { faults } = place.neon.sandbox;
  // What only asks is the same before and after, so only changes are killed after. Each method is counted by itself.
  const methods = silence === "stallAfter" ? CHANGES.map((method) => ({ method })) : [{}];
  const planned = methods.map((one) => faults.next({ ...one, skip: n - 1, times: Number.POSITIVE_INFINITY, effect: { kind: silence } }));
  const running = place.start(...args);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && planned.every(({ hits }) => hits === 0)) await sleep(5);
  if (!over) {
    await sleep(silence === "stallAfter" ? 150 : 0); // what was asked for is done, and only the answer is missing
    running.kill("SIGKILL");
  }
  const { signal, exit, stderr } = await running.ended;
  faults.clear();
  if (signal === "SIGKILL") return true;
  assert.equal(exit, 0, stderr);
  return false;
}

const CHANGES = ["POST", "PATCH", "DELETE"] as const;

/** Kills at every request, cleans up each time, and looks. Gives how often it was killed. */
export async function atEveryRequest(
  place: NeonPlace,
  silence: Silence,
  args: readonly string[],
  look: (context: string, killed: boolean) => Promise<void>,
): Promise<number> {
  const step = silence === "stallAfter" ? 1 : 6;
  return await atMoments(step, async (n) => {
    const context = `lifeboat ${args.join(" ")}, ${silence} request ${n}`;
    const killed = await killedAtRequest(place, n, silence, ...args);
    const { recovered } = (await place.expect(0, "jobs", "recover", "--json")).json();
    for (const { left } of recovered) assert.deepEqual(left, [], context);
    await place.assertNothingLeft();
    await look(context, killed);
    return killed;
  });
}
