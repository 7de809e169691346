// The contract of every queue. The test of an adapter passes a factory.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WorkFailure, WorkItem } from "../../src/core/work.ts";
import type { Choose, Claim, Queue } from "../../src/ports/queue.ts";

export interface QueueUnderTest {
  /** Another connection to the same queue; of a queue of one process, the queue itself. */
  open(): Promise<Queue>;
  /** Attempts before an item is parked. */
  readonly attempts: number;
  /** Lets pauses after failures pass. */
  wait(): Promise<void>;
  close(): Promise<void>;
}

const FAILURE: WorkFailure = { code: "SOURCE_UNREACHABLE", message: "no answer" };
const first: Choose = ([item]) => item;
const only =
  (key: string): Choose =>
  (waiting) =>
    waiting.find((item) => item.key === key);

export const workItem = (key: string, changed: Partial<WorkItem> = {}): WorkItem => ({
  key,
  operation: "backup",
  request: { source: "shop", due: true },
  source: "shop",
  provider: "postgres",
  needs: { diskBytes: 0, memoryBytes: 0, labels: [] },
  notBefore: "2026-01-01T00:00:00.000Z",
  ...changed,
});

export function queueContract(name: string, make: () => Promise<QueueUnderTest>, skip: string | false = false): void {
  describe(`queue contract: ${name}`, { skip }, () => {
    let under: QueueUnderTest;
    let one: Queue;
    let two: Queue;

    before(async () => {
      under = await make();
      [one, two] = [await under.open(), await under.open()];
    });
    after(() => under?.close());

    const taken = async (queue: Queue, choose: Choose): Promise<Claim> => {
      const claim = await queue.take(choose);
      assert.ok(claim !== undefined, "nothing was taken");
      return claim;
    };
    const entry = async (key: string) => (await one.list()).find(({ item }) => item.key === key);

    test("R53 the same due work put by two schedulers is one item, whether it waits, runs or is parked", async () => {
      const item = workItem("once");
      const added = await Promise.all([one.put([item, item]), two.put([item])]);
      assert.equal(added.flat().length, 1);
      const claim = await taken(two, first);
      assert.deepEqual(claim.item, item);
      assert.deepEqual(await one.put([item]), []);
      assert.equal(await one.take(first), undefined);
      await claim.park(FAILURE);
      assert.deepEqual(await two.put([item]), []);
      assert.equal(await one.take(first), undefined);
      assert.deepEqual([(await entry("once"))?.state, (await entry("once"))?.failure], ["parked", FAILURE]);
      assert.equal(await two.release("once"), true);
      assert.equal(await two.release("once"), false);
      const again = await taken(one, first);
      assert.equal(again.attempt, 1);
      await again.done();
      assert.deepEqual(await one.list(), []);
      assert.deepEqual(await two.put([item]), ["once"]); // what is done and due again is put again
      await (await taken(one, first)).done();
    });

    test("R53 of several workers one gets an item, and the most urgent item is taken first", async () => {
      const items = [workItem("d", { operation: "drill" }), workItem("b"), workItem("r", { operation: "restore" })];
      await one.put(items);
      const order: string[] = [];
      const choose: Choose = (waiting) => waiting[0];
      const claims = await Promise.all([one.take(choose), two.take(choose), one.take(choose), two.take(choose)]);
      for (const claim of claims) if (claim !== undefined) order.push(claim.item.key);
      assert.deepEqual(order.toSorted(), ["b", "d", "r"]);
      assert.deepEqual(
        (await two.list()).map(({ item, state }) => [item.key, state]),
        [
          ["r", "running"],
          ["b", "running"],
          ["d", "running"],
        ],
      );
      for (const claim of claims) await claim?.handBack();
      for (const expected of ["r", "b", "d"]) {
        const claim = await taken(two, choose);
        assert.equal(claim.item.key, expected);
        await claim.done();
      }
    });

    test("R53 a worker chooses beside all work that runs, and what it declines waits for others", async () => {
      await one.put([workItem("big"), workItem("small")]);
      const small = await taken(one, only("small"));
      let seen: unknown;
      await two.take((waiting, running) => {
        seen = [waiting.map(({ key }) => key), running.map(({ key }) => key)];
        return undefined;
      });
      assert.deepEqual(seen, [["big"], ["small"]]);
      await small.done();
      await (await taken(two, first)).done();
    });

    test("R53 a failed item waits, is tried again, and is parked when its attempts are used up", async () => {
      await one.put([workItem("poison")]);
      for (let attempt = 1; attempt <= under.attempts; attempt++) {
        const claim = await taken(two, first);
        assert.equal(claim.attempt, attempt);
        assert.equal(await claim.fail(FAILURE), attempt === under.attempts);
        assert.equal(await one.take(first), undefined);
        await under.wait();
      }
      assert.equal(await one.take(first), undefined);
      assert.equal((await entry("poison"))?.state, "parked");
      await one.release("poison");
      const claim = await taken(one, first);
      assert.equal(await two.drop("poison"), false); // it runs
      await claim.park(FAILURE);
      assert.equal(await two.drop("poison"), true);
      assert.deepEqual(await one.list(), []);
    });

    test("R53 an ended claim has no effect, and an item is not taken before its time", async () => {
      await one.put([workItem("mine")]);
      const old = await taken(one, first);
      assert.equal(await old.renew(), true);
      await old.handBack();
      assert.equal(await old.renew(), false);
      const present = await taken(two, first);
      await old.done();
      await old.park(FAILURE);
      assert.equal((await entry("mine"))?.state, "running");
      await present.done();
      await one.put([workItem("later", { notBefore: "2999-01-01T00:00:00.000Z" })]);
      assert.equal(await two.take(first), undefined);
      assert.equal((await entry("later"))?.notBefore.toISOString(), "2999-01-01T00:00:00.000Z");
    });

    test("R51 R53 the answer of a worker is read after the item ended, and a running item is withdrawn", async () => {
      await one.put([workItem("asked"), workItem("unwanted")]);
      const claim = await taken(two, only("asked"));
      await claim.tell(["a", "b"]);
      await claim.tell(["c"]);
      const told = await one.told("asked", 0);
      assert.deepEqual(
        told.map(({ answer }) => answer),
        ["a", "b", "c"],
      );
      assert.equal((await one.find("asked"))?.state, "running");
      await claim.done("end");
      await claim.done("again");
      assert.equal(await one.find("asked"), undefined);
      assert.deepEqual(
        (await one.told("asked", told.at(-1)?.at ?? 0)).map(({ answer }) => answer),
        ["end"],
      );
      await one.withdraw("asked");
      assert.deepEqual(await one.told("asked", 0), []);
      const unwanted = await taken(two, first);
      await one.withdraw("unwanted");
      assert.equal(await unwanted.renew(), false);
      await unwanted.done("late");
      assert.deepEqual([await one.told("unwanted", 0), await one.find("unwanted")], [[], undefined]);
    });

    test("R53 workers see each other's capacity and what they declined", async () => {
      const report = {
        name: "w1",
        host: "h",
        jobs: 2,
        diskBytes: 10,
        memoryBytes: 20,
        labels: ["eu"],
        running: [],
        declined: [{ key: "big", reason: "no room" }],
      };
      await one.report(report);
      const [seen] = await two.workers();
      const { seenAt, ...rest } = seen ?? assert.fail("no worker is listed");
      assert.deepEqual(rest, report);
      assert.ok(seenAt instanceof Date);
      await one.retire("w1");
      assert.deepEqual(await two.workers(), []);
    });
  });
}
