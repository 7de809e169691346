// What the Neon sandbox can be told to do wrong, as a client sees it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeNeon } from "../support/neon-sandbox.ts";

const CREATE = { method: "POST", path: /\/branches$/ };

test("R54 a request whose answer is lost was carried out; one whose connection broke before was not", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, call, expect } = neon;
  const path = `/projects/${sandbox.projectId}/branches`;
  sandbox.faults.next({ ...CREATE, effect: { kind: "dropAfter" } });
  await assert.rejects(call("POST", path, { branch: { name: "lost" } }), TypeError);
  assert.equal((await expect(200, "GET", "/branches?search=lost")).branches.length, 1);
  sandbox.faults.next({ ...CREATE, effect: { kind: "dropBefore" } });
  await assert.rejects(call("POST", path, { branch: { name: "never" } }), TypeError);
  assert.equal((await expect(200, "GET", "/branches?search=never")).branches.length, 0);
  await expect(201, "POST", "/branches", { branch: { name: "never" } });
});

test("R54 statuses come as often as asked for, at the requests meant, with their Retry-After", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, call, expect } = neon;
  const busy = sandbox.faults.next({ ...CREATE, times: 2, effect: { kind: "status", status: 429, retryAfterSeconds: 3 } });
  sandbox.faults.next({ path: /\/users\/me$/, skip: 1, effect: { kind: "status", status: 503 } });
  const { status, headers } = await call("POST", `/projects/${sandbox.projectId}/branches`, {});
  assert.deepEqual([status, headers.get("retry-after")], [429, "3"]);
  await expect(429, "POST", "/branches", {});
  await expect(201, "POST", "/branches", {});
  assert.equal(busy.hits, 2);
  const seen = [];
  for (let count = 0; count < 3; count++) seen.push((await call("GET", "/users/me")).status);
  assert.deepEqual(seen, [200, 503, 200]);
  sandbox.faults.next({ ...CREATE, effect: { kind: "locked" } });
  await expect(423, "POST", "/branches", {});
});

test("R54 a stuck operation keeps its project locked until the faults are cleared", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, expect } = neon;
  sandbox.faults.next({ ...CREATE, effect: { kind: "stuck" } });
  const { operations } = await expect(201, "POST", "/branches", {});
  assert.equal(operations[0].status, "running");
  await expect(423, "POST", "/branches", {});
  assert.equal((await expect(200, "GET", `/operations/${operations[0].id}`)).operation.status, "running");
  sandbox.faults.clear();
  assert.equal((await expect(200, "GET", `/operations/${operations[0].id}`)).operation.status, "finished");
  await expect(201, "POST", "/branches", {});
});

test("R54 the nth request stays without an answer, before or after it is done, and the test is told", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, expect } = neon;
  const url = `${sandbox.apiHost}/projects/${sandbox.projectId}/branches`;
  const send = (name: string, signal: AbortSignal): Promise<Response> =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${sandbox.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ branch: { name } }),
      signal,
    });
  for (const [kind, expected] of [
    ["stallBefore", 0],
    ["stallAfter", 1],
  ] as const) {
    const fault = sandbox.faults.next({ ...CREATE, skip: 1, effect: { kind } });
    await expect(201, "POST", "/branches", {});
    const giveUp = new AbortController();
    const answer = send(kind, giveUp.signal);
    await fault.firstHit;
    if (expected === 1) while (sandbox.store.projects.get(sandbox.projectId)?.busy) await new Promise((resolve) => setTimeout(resolve, 1));
    giveUp.abort(new Error("killed"));
    await assert.rejects(answer, /killed/);
    assert.equal((await expect(200, "GET", `/branches?search=${kind}`)).branches.length, expected);
  }
});

test("R54 every request is written down with what it said and what it was told", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, expect } = neon;
  await expect(201, "POST", "/branches", { branch: { name: "b" } });
  const seen = sandbox.faults.seen.at(-1);
  assert.deepEqual(
    [seen?.method, seen?.path, seen?.status, seen?.body],
    ["POST", `/projects/${sandbox.projectId}/branches`, 201, { branch: { name: "b" } }],
  );
});
