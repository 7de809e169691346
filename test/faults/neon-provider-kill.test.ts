// kill -9 at every request of a restore at Neon, before and after it was acted on: what was written down is enough to clean up.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import type { NeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import type { HistoryTarget } from "../../src/ports/control.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { testMaker } from "../support/maker.ts";
import { HASTE, providerOf } from "../support/neon-provider.ts";
import { type SandboxedNeon, startFakeNeon } from "../support/neon-sandbox.ts";

const JOB = ["0123456789abcd", { secret: "of both processes" }] as const;
const MAKER = testMaker(...JOB);

const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** A process that makes a branch, writes down what it declares, and says "done" at its end. */
function beginChild(sandbox: NeonSandbox, work: string) {
  const { projectId, apiKey, apiHost, branch } = sandbox;
  const options = { projectId, apiKey, apiHost, branch, desired: { protect: false, rules: [] }, timeouts: { ...HASTE, requestMs: 60_000 } };
  const script = `
    import { writeSync } from "node:fs";
    import { Secret } from ${module("../../src/core/secret.ts")};
    import { testMaker } from ${module("../support/maker.ts")};
    import { createNeonProvider } from ${module("../../src/providers/neon/provider.ts")};
    const clock = { now: () => new Date(${sandbox.now().getTime()}), monotonicMs: () => performance.now(), randomBytes: (n) => new Uint8Array(n) };
    const { history } = createNeonProvider({ ...${JSON.stringify(options)}, apiKey: Secret.of(${JSON.stringify(sandbox.apiKey)}), clock });
    const maker = testMaker(...${JSON.stringify(JOB)});
    const declare = async (resource) => void writeSync(1, JSON.stringify(resource) + "\\n");
    await ${work};
    writeSync(1, '"done"\\n');`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const closed = once(child, "close");
  return {
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await closed;
    },
    closed,
    said: (): (Resource | "done")[] => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)])),
  };
}

const names = async (neon: SandboxedNeon): Promise<string[]> =>
  (await neon.expect(200, "GET", "/branches")).branches.map(({ name }: { name: string }) => name).toSorted();

/** Every request in turn, until one run is no longer hit. */
async function killEverywhere(
  work: (neon: SandboxedNeon) => Promise<string>,
  afterwards: (neon: SandboxedNeon, declared: Resource[], label: string) => Promise<void>,
): Promise<void> {
  for (let skip = 0; ; skip++) {
    for (const kind of ["stallAfter", "stallBefore"] as const) {
      await using neon = await startFakeNeon({ plan: "launch" });
      const { sandbox } = neon;
      await sandbox.advance(3_600_000);
      const script = await work(neon);
      const planned = sandbox.faults.next({ skip, effect: { kind } });
      const child = beginChild(sandbox, script);
      await Promise.race([planned.firstHit, child.closed]);
      await child.kill();
      if (planned.hits === 0) {
        assert.equal(child.said().at(-1), "done");
        assert.ok(skip > 5, "the requests of a restore were killed one by one");
        return;
      }
      const hit = sandbox.faults.seen.findLast(({ status }) => status === undefined);
      sandbox.faults.clear();
      await afterwards(
        neon,
        child.said().filter((line) => line !== "done"),
        `${kind} ${skip + 1}`,
      );
      // Before or after a question was answered is the same.
      if (hit?.method === "GET") break;
    }
  }
}

const branchTo = (target: HistoryTarget): string => {
  const text = target.kind === "time" ? `{ kind: "time", at: new Date(${target.at.getTime()}) }` : JSON.stringify(target);
  return `history.branch({ name: "restore-x", target: ${text}, maker, declare })`;
};

async function cleanUp(neon: SandboxedNeon, declared: Resource[], label: string): Promise<void> {
  const there = await names(neon);
  assert.deepEqual(
    there.filter((name) => name !== "production"),
    there.length === 1 ? [] : ["restore-x"],
    label,
  );
  if (there.length > 1) assert.equal(declared.length, 1, `${label}: what is there was written down first`);
  const undone = there.length > 1 ? "removed" : "absent";
  for (const resource of declared) assert.equal(await providerOf(neon.sandbox).undo(resource, MAKER), undone, label);
  assert.deepEqual(await names(neon), ["production"], label);
}

test("R7 a restore into a branch, killed at any request, leaves nothing that its note does not clean", async () => {
  await killEverywhere(async ({ sandbox }) => branchTo({ kind: "time", at: new Date(sandbox.now().getTime() - 60_000) }), cleanUp);
});

test("R8 a restore of a snapshot, killed at any request, leaves nothing that its note does not clean", async () => {
  await killEverywhere(async ({ sandbox }) => {
    const { id } = await providerOf(sandbox).snapshots.create({ name: "s", form: "snapshot" });
    return branchTo({ kind: "snapshot", id, form: "snapshot" });
  }, cleanUp);
});

test("R9 a restore in place, killed at any request, happened once or not at all, and production answers", async () => {
  await killEverywhere(
    async ({ sandbox }) => {
      const at = sandbox.now().getTime() - 60_000;
      return `history.inPlace({ target: { kind: "time", at: new Date(${at}) }, keepAs: "rollback-x" })`;
    },
    async (neon, _, label) => {
      const there = await names(neon);
      assert.deepEqual(there, there.length === 1 ? ["production"] : ["production", "rollback-x"], label);
      await providerOf(neon.sandbox).connection();
    },
  );
});
