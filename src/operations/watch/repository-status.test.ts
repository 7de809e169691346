import assert from "node:assert/strict";
import { test } from "node:test";
import { testTrust } from "../../../test/support/repository.ts";
import { LifeboatError } from "../../core/errors.ts";
import { trustOf } from "../../repository/trust.ts";
import type { Context } from "../context.ts";
import { repositoryReasons } from "./repository-status.ts";

test("R36 a repository that takes nothing is a finding before the next backup, on machines that write", async () => {
  const openKey = () => Promise.reject(new LifeboatError("KEY_MISSING", "none", { details: { configured: false } }));
  const reasonsWith = (freeBytes: number, trust = testTrust()) => {
    const repository = { trust, storage: { freeBytes: async () => freeBytes } };
    const context = { repository, openKey, sealKey: { recipients: [] }, sources: new Map() };
    return repositoryReasons(context as unknown as Context, [{ sizeBytes: 1000 }], { signal: new AbortController().signal });
  };
  assert.deepEqual(await reasonsWith(1_000_000), []);
  assert.match((await reasonsWith(1500))[0]?.message ?? "", /^1\.5 kB are free in the repository/);
  const [nothing] = await reasonsWith(0);
  assert.deepEqual([nothing?.code, nothing?.message.split(":")[0]], ["REPOSITORY_FILLING", "nothing can be stored in the repository"]);
  assert.deepEqual(await reasonsWith(0, trustOf([], undefined)), []);
});
