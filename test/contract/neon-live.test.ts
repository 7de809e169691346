// The provider on the real service, when LIFEBOAT_TEST_NEON_PROJECT and NEON_API_KEY name a project that may be tried on.
// Nothing of it is changed: one scratch branch is made, which expires by itself, and is removed at the end.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Secret } from "../../src/core/secret.ts";
import { createNeonProvider } from "../../src/providers/neon/provider.ts";
import { testMaker } from "../support/maker.ts";
import { journal } from "../support/neon-provider.ts";
import { query } from "../support/postgres.ts";

const MAKER = testMaker("0123456789abcd");

const projectId = process.env.LIFEBOAT_TEST_NEON_PROJECT;
const apiKey = process.env.NEON_API_KEY;
const skip = projectId === undefined || apiKey === undefined ? "LIFEBOAT_TEST_NEON_PROJECT and NEON_API_KEY are not set" : false;

const provider = () =>
  createNeonProvider({
    projectId: projectId ?? "",
    apiKey: Secret.of(apiKey ?? ""),
    desired: { protect: false, rules: [] },
    clock: { now: () => new Date(), monotonicMs: () => performance.now(), randomBytes },
  });

test("R1 the real service tells window, limits and plan", { skip }, async () => {
  const state = await provider().settings?.read();
  assert.equal(typeof state?.settings.pitr_retention_days, "number");
  assert.equal(typeof state?.settings.branch, "string");
  assert.ok(state?.limits.some(({ name }) => name === "branches"));
});

test("R7 the real service restores a moment ago into a scratch branch, which answers and is deleted", { skip }, async () => {
  const { history, undo } = provider();
  assert.ok(history);
  const { declared, declare } = journal();
  const name = `lifeboat-scratch-live${randomBytes(4).toString("hex")}`;
  const at = new Date(Date.now() - 60_000);
  try {
    const branch = await history.branch({
      name,
      target: { kind: "time", at },
      expiresAt: new Date(Date.now() + 3_600_000),
      maker: MAKER,
      declare,
    });
    assert.deepEqual(await query(branch.connection, "select 1 as one"), [{ one: 1 }]);
    await history.remove(branch.id);
    assert.equal(await history.find(name), undefined);
  } finally {
    for (const resource of declared) await undo(resource, MAKER);
  }
});
