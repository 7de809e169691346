// Every request of every piece of work fails once, in every way: the end is the same as if nothing had failed, and nothing is there twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../../packages/sandbox/neon/faults.ts";
import { testMaker } from "../support/maker.ts";
import { journal, type NeonProvider, providerOf } from "../support/neon-provider.ts";
import { type SandboxedNeon, startFakeNeon } from "../support/neon-sandbox.ts";

const MAKER = testMaker("0123456789abcd");

const HOUR_MS = 3_600_000;

interface Flow {
  /** Before anything fails. Its result goes to `run`. */
  prepare?(neon: SandboxedNeon, provider: NeonProvider): Promise<string>;
  run(neon: SandboxedNeon, provider: NeonProvider, prepared: string): Promise<unknown>;
}

const aMinuteAgo = ({ sandbox }: SandboxedNeon) => ({ kind: "time", at: new Date(sandbox.now().getTime() - 60_000) }) as const;
const point =
  (form: "branch" | "snapshot") =>
  async (_: SandboxedNeon, { snapshots }: NeonProvider) =>
    (await snapshots.create({ name: "backup-2026-11-20", form })).id;

const FLOWS: Readonly<Record<string, Flow>> = {
  "a point by branch": { run: (_, { snapshots }) => snapshots.create({ name: "backup-x", form: "branch" }) },
  "a point by snapshot": { run: (_, { snapshots }) => snapshots.create({ name: "backup-x", form: "snapshot" }) },
  "a restore into a branch": {
    run: (neon, { history }) => history.branch({ name: "restore-x", target: aMinuteAgo(neon), maker: MAKER, declare: journal().declare }),
  },
  "a restore of a snapshot into a branch": {
    prepare: point("snapshot"),
    run: (neon, { history }, id) =>
      history.branch({
        name: "restore-x",
        target: { kind: "snapshot", id, form: "snapshot" },
        expiresAt: new Date(neon.sandbox.now().getTime() + HOUR_MS),
        maker: MAKER,
        declare: journal().declare,
      }),
  },
  "a restore in place": { run: (neon, { history }) => history.inPlace({ target: aMinuteAgo(neon), keepAs: "rollback-x" }) },
  "a snapshot in place": {
    prepare: point("snapshot"),
    run: (_, { history }, id) => history.inPlace({ target: { kind: "snapshot", id, form: "snapshot" }, keepAs: "rollback-x" }),
  },
  "a promotion": {
    prepare: async (_, { history }) =>
      (await history.branch({ name: "restore-x", target: { kind: "latest" }, maker: MAKER, declare: journal().declare })).id,
    run: (_, { history }, branch) => history.promote({ branch, name: "production", keepAs: "rollback-x" }),
  },
  "a promotion of a restored snapshot": {
    prepare: async (neon, provider) => {
      const id = await point("snapshot")(neon, provider);
      const target = { kind: "snapshot", id, form: "snapshot" } as const;
      return (await provider.history.branch({ name: "restore-x", target, maker: MAKER, declare: journal().declare })).id;
    },
    run: (_, { history }, branch) => history.promote({ branch, name: "production", keepAs: "rollback-x" }),
  },
  "a removal": {
    prepare: point("branch"),
    run: (_, { snapshots }, id) => snapshots.remove({ id, form: "branch", name: "backup-2026-11-20" }),
  },
  "an apply": {
    run: async (_, { settings }) => {
      for (const drift of (await settings.read()).drift) await settings.apply(drift);
    },
  },
};

const EFFECTS: readonly Fault["effect"][] = [
  { kind: "dropBefore" },
  { kind: "dropAfter" },
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "locked" },
];

interface Shape {
  readonly branches: readonly string[];
  readonly snapshots: readonly string[];
  readonly settings: string;
}

/** What there is, without ids and times. */
function shapeOf({ sandbox }: SandboxedNeon): Shape {
  const project = sandbox.store.projects.get(sandbox.projectId);
  assert.ok(project);
  const computes = [...project.endpoints.values()];
  return {
    branches: [...project.branches.values()]
      .map((branch) => {
        const count = computes.filter(({ branchId }) => branchId === branch.id).length;
        const parent = branch.parentId === undefined ? "root" : (project.branches.get(branch.parentId)?.name ?? "gone");
        const { name, default: isDefault, protected: isProtected, expiresAt, restoreStatus, schedule } = branch;
        return JSON.stringify([name, parent, isDefault, isProtected, expiresAt !== undefined, restoreStatus, schedule, count]);
      })
      .toSorted(),
    snapshots: [...project.snapshots.values()].map(({ name }) => name).toSorted(),
    settings: String(project.historySeconds),
  };
}

const DESIRED = {
  windowMs: 7 * 24 * HOUR_MS,
  protect: true,
  rules: [{ name: "d-{date}", cron: "0 3 * * *", keepMs: 7 * 24 * HOUR_MS, by: "provider" as const }],
};

/** Runs a flow with at most one fault; how many requests it took. */
async function runWith(flow: Flow, fault?: { readonly skip: number; readonly effect: Fault["effect"] }) {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { sandbox } = neon;
  const provider = providerOf(sandbox, { desired: DESIRED, timeouts: { retryMs: 2, pollMs: 2 } });
  const isApply = flow === FLOWS["an apply"];
  if (!isApply) for (const drift of (await provider.settings.read()).drift) await provider.settings.apply(drift);
  await sandbox.advance(2 * HOUR_MS);
  const prepared = (await flow.prepare?.(neon, provider)) ?? "";
  const before = sandbox.faults.seen.length;
  const planned = fault === undefined ? undefined : sandbox.faults.next(fault);
  await flow.run(neon, provider, prepared);
  return { requests: sandbox.faults.seen.length - before, hits: planned?.hits ?? 0, shape: shapeOf(neon) };
}

for (const [name, flow] of Object.entries(FLOWS)) {
  test(`${name} ends the same whichever of its requests fails once`, async () => {
    const clean = await runWith(flow);
    assert.ok(clean.requests > 1);
    for (let skip = 0; skip < clean.requests; skip++) {
      for (const effect of EFFECTS) {
        const label = `${effect.kind} of request ${skip + 1}`;
        const { hits, shape } = await runWith(flow, { skip, effect }).catch((cause: unknown) => {
          throw new Error(`${name}, ${label}: ${String(cause)}`, { cause });
        });
        assert.equal(hits, 1, label);
        assert.deepEqual(shape, clean.shape, label);
      }
    }
  });
}
