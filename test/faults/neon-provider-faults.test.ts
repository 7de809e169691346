// Faults of Neon and the network: one request has one effect, and every failure has its code.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { isLifeboatError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Progress } from "../../src/ports/progress.ts";
import { testMaker } from "../support/maker.ts";
import { asked, journal, providerOf } from "../support/neon-provider.ts";
import { startFakeNeon } from "../support/neon-sandbox.ts";

const MAKER = testMaker("0123456789abcd");

/** A port that nothing listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const CREATE = { method: "POST", path: /\/branches$/ };
const SNAP = { method: "POST", path: /\/snapshot$/ };

test("a project that is busy is waited for", async () => {
  await using neon = await startFakeNeon();
  const locked = neon.sandbox.faults.next({ ...CREATE, times: 5, effect: { kind: "locked" } });
  const made = await providerOf(neon.sandbox).snapshots.create({ name: "backup-2026-11-21", form: "branch" });
  assert.equal(locked.hits, 5);
  assert.equal(made.name, "backup-2026-11-21");
});

test("a project that stays busy ends as PROVIDER_BUSY, with nothing made", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ ...CREATE, times: 1000, effect: { kind: "locked" } });
  const { snapshots } = providerOf(neon.sandbox, { timeouts: { busyMs: 300 } });
  await assert.rejects(snapshots.create({ name: "b", form: "branch" }), (error) => isLifeboatError(error, "PROVIDER_BUSY"));
  neon.sandbox.faults.clear();
  assert.equal((await neon.expect(200, "GET", "/branches")).branches.length, 1);
});

test("Retry-After is kept to, and told", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({
    path: /\/branches$/,
    effect: { kind: "status", status: 429, message: "too many requests", retryAfterSeconds: 1 },
  });
  const notes: string[] = [];
  const progress: Progress = { step() {}, advance() {}, note: (message) => void notes.push(message) };
  await providerOf(neon.sandbox).snapshots.list({ progress });
  // Our own pauses are milliseconds here: one that is worth a note is the one that was asked for.
  assert.match(notes[0] ?? "", /no more requests for now.*trying again/);
});

test("a Retry-After beyond our timeouts is not slept through", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ path: /\/branches$/, effect: { kind: "status", status: 429, retryAfterSeconds: 3600 } });
  await assert.rejects(providerOf(neon.sandbox).snapshots.list(), (error) => isLifeboatError(error, "PROVIDER_BUSY") && error.retryable);
});

test("failures of Neon's own are ridden out when something is only read", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ path: /\/branches$/, times: 2, effect: { kind: "status", status: 500 } });
  neon.sandbox.faults.next({ path: /\/snapshots$/, effect: { kind: "dropBefore" } });
  assert.deepEqual(await providerOf(neon.sandbox).snapshots.list(), []);
});

test("failures that do not end are PROVIDER_FAILED, silence is PROVIDER_UNREACHABLE", async () => {
  await using neon = await startFakeNeon();
  const { snapshots } = providerOf(neon.sandbox, { timeouts: { outageMs: 200, requestMs: 150 } });
  neon.sandbox.faults.next({ path: /\/branches$/, times: 1000, effect: { kind: "status", status: 502, message: "bad gateway" } });
  await assert.rejects(snapshots.list(), (error) => isLifeboatError(error, "PROVIDER_FAILED") && /bad gateway/.test(error.message));
  neon.sandbox.faults.clear();
  neon.sandbox.faults.next({ path: /\/branches$/, times: 1000, effect: { kind: "stallBefore" } });
  await assert.rejects(snapshots.list(), (error) => isLifeboatError(error, "PROVIDER_UNREACHABLE") && /no answer in/.test(error.message));
  const unreachable = providerOf(neon.sandbox, { apiHost: `http://127.0.0.1:${await closedPort()}/api/v2`, timeouts: { outageMs: 100 } });
  await assert.rejects(
    unreachable.snapshots.list(),
    (error) => isLifeboatError(error, "PROVIDER_UNREACHABLE") && /ECONNREFUSED/.test(error.message),
  );
});

for (const kind of ["dropAfter", "stallAfter"] as const) {
  test(`an answer that is lost (${kind}) after a branch was made makes no second one`, async () => {
    await using neon = await startFakeNeon();
    const lost = neon.sandbox.faults.next({ ...CREATE, effect: { kind } });
    const { snapshots } = providerOf(neon.sandbox, { timeouts: { requestMs: 300 } });
    const made = await snapshots.create({ name: "backup-2026-11-21", form: "branch" });
    assert.equal(lost.hits, 1);
    assert.equal(asked(neon.sandbox, "POST", CREATE.path), 1);
    const { branches } = await neon.expect(200, "GET", "/branches");
    assert.deepEqual(
      branches.filter((branch: { name: string }) => branch.name === made.name).map((branch: { id: string }) => branch.id),
      [made.id],
    );
  });
}

test("an answer that is lost after a snapshot was made makes no second one", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ ...SNAP, effect: { kind: "dropAfter" } });
  const made = await providerOf(neon.sandbox).snapshots.create({ name: "backup-2026-11-21", form: "snapshot" });
  assert.equal(asked(neon.sandbox, "POST", SNAP.path), 1);
  const { snapshots } = await neon.expect(200, "GET", "/snapshots");
  assert.deepEqual(
    snapshots.map(({ id }: { id: string }) => id),
    [made.id],
  );
});

test("a request that was lost before it arrived is repeated, once it is known to have had no effect", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ ...CREATE, times: 2, effect: { kind: "dropBefore" } });
  await providerOf(neon.sandbox).snapshots.create({ name: "b", form: "branch" });
  assert.equal(asked(neon.sandbox, "POST", CREATE.path), 3);
  assert.equal((await neon.expect(200, "GET", "/branches")).branches.length, 2);
});

test("a 500 after the work was done is a lost answer too", async () => {
  await using neon = await startFakeNeon();
  // Made behind our back, as by the first try whose answer was a 500.
  neon.sandbox.faults.next({ ...CREATE, effect: { kind: "status", status: 500 } });
  const { snapshots } = providerOf(neon.sandbox, { timeouts: { retryMs: 400 } });
  const request = snapshots.create({ name: "b", form: "branch" });
  while (asked(neon.sandbox, "POST", CREATE.path) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { branch } = await neon.expect(201, "POST", "/branches", { branch: { name: "b" } });
  assert.equal((await request).id, branch.id);
});

test("an operation that never ends is PROVIDER_BUSY with its id", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ ...CREATE, effect: { kind: "stuck" } });
  const { snapshots } = providerOf(neon.sandbox, { timeouts: { operationMs: 300 } });
  await assert.rejects(
    snapshots.create({ name: "b", form: "branch" }),
    (error) =>
      isLifeboatError(error, "PROVIDER_BUSY") &&
      /operation [0-9a-f-]{36} \(create_branch\)/.test(error.message) &&
      error.details.operation !== undefined,
  );
});

test("a branch of a restore whose operation hangs is declared first, and can be undone later", async () => {
  await using neon = await startFakeNeon();
  const provider = providerOf(neon.sandbox, { timeouts: { operationMs: 200, busyMs: 200 } });
  const { declared, declare } = journal();
  neon.sandbox.faults.next({ ...CREATE, effect: { kind: "stuck" } });
  await assert.rejects(
    provider.history.branch({ name: provider.history.scratchName(MAKER), target: { kind: "latest" }, maker: MAKER, declare }),
    (error) => isLifeboatError(error, "PROVIDER_BUSY"),
  );
  assert.deepEqual(
    declared.map(({ kind, locator }) => [kind, locator.name]),
    [["neon-branch", provider.history.scratchName(MAKER)]],
  );
  neon.sandbox.faults.clear();
  const [resource] = declared;
  assert.ok(resource);
  assert.equal(await provider.undo(resource, MAKER), "removed");
  assert.equal(await provider.undo(resource, MAKER), "absent");
  assert.equal((await neon.expect(200, "GET", "/branches")).branches.length, 1);
});

test("a wrong key is PROVIDER_AUTH at once, and no message contains it", async () => {
  await using neon = await startFakeNeon();
  const apiKey = "napi_wrong_key_0123456789";
  const { settings } = providerOf(neon.sandbox, { apiKey: Secret.of(apiKey) });
  await assert.rejects(settings.read(), (error) => {
    assert.ok(isLifeboatError(error, "PROVIDER_AUTH"));
    assert.match(error.message, /does not accept the API key/);
    assert.ok(!JSON.stringify([error.message, error.details, error.hint, String(error.cause)]).includes(apiKey));
    return true;
  });
});

test("a server that repeats the key in its complaint does not make us repeat it", async () => {
  await using neon = await startFakeNeon();
  const { apiKey } = neon.sandbox;
  neon.sandbox.faults.next({ path: /\/branches$/, effect: { kind: "status", status: 400, message: `what is ${apiKey}?` } });
  await assert.rejects(
    providerOf(neon.sandbox).snapshots.list(),
    (error) => isLifeboatError(error, "PROVIDER_REFUSED") && /what is \*\*\*\?/.test(error.message),
  );
});

test("a key without the right to something is PROVIDER_AUTH and names it", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ ...CREATE, effect: { kind: "status", status: 403, message: "forbidden" } });
  await assert.rejects(
    providerOf(neon.sandbox).snapshots.create({ name: "b", form: "branch" }),
    (error) => isLifeboatError(error, "PROVIDER_AUTH") && /no right to create the branch b/.test(error.message),
  );
});

test("an unknown project is PROVIDER_NOT_FOUND", async () => {
  await using neon = await startFakeNeon();
  const { settings, history } = providerOf(neon.sandbox, { projectId: "no-such-project-12345678" });
  await assert.rejects(settings.read(), (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND"));
  await assert.rejects(history.find("main"), (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND"));
});

test("other commands do not pay for Neon's client: it is loaded by the first question", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ resolve(specifier, context, next) { loaded.push(specifier); return next(specifier, context); } });
    const { createNeonProvider } = await import(${JSON.stringify(new URL("../../src/providers/neon/provider.ts", import.meta.url).href)});
    const { Secret } = await import(${JSON.stringify(new URL("../../src/core/secret.ts", import.meta.url).href)});
    const clock = { now: () => new Date(), monotonicMs: () => performance.now(), randomBytes: (n) => new Uint8Array(n) };
    const options = { projectId: "p", apiKey: Secret.of("k"), apiHost: "http://127.0.0.1:${await closedPort()}", desired: { protect: false, rules: [] }, clock };
    const provider = createNeonProvider({ ...options, timeouts: { outageMs: 0 } });
    const before = loaded.some((name) => name.startsWith("@neon/"));
    await provider.history.window().catch(() => {});
    console.log(JSON.stringify([before, loaded.some((name) => name.startsWith("@neon/"))]));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  assert.deepEqual(JSON.parse(stdout), [false, true]);
});

test("an abort ends a wait at once, with its own reason", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ path: /\/branches$/, times: 1000, effect: { kind: "locked" } });
  const reason = new Error("enough");
  const control = new AbortController();
  const request = providerOf(neon.sandbox, { timeouts: { retryMs: 5_000 } }).snapshots.list({ signal: control.signal });
  setTimeout(() => control.abort(reason), 50);
  await assert.rejects(request, (error) => error === reason);
  const stalled = new AbortController();
  neon.sandbox.faults.clear();
  neon.sandbox.faults.next({ path: /\/branches$/, effect: { kind: "stallBefore" } });
  const other = providerOf(neon.sandbox).snapshots.list({ signal: stalled.signal });
  setTimeout(() => stalled.abort(reason), 50);
  await assert.rejects(other, (error) => error === reason);
});

test("an unencrypted remote address, and an invalid project or key, are refused without a call", async () => {
  await using neon = await startFakeNeon();
  for (const [wrong, message] of [
    [{ apiHost: "http://console.example.com/api/v2" }, /https/],
    [{ apiHost: "console.neon.tech" }, /apiHost must be an address/],
    [{ projectId: "../users/me" }, /not the id of a Neon project/],
  ] as const) {
    assert.throws(
      () => providerOf(neon.sandbox, wrong),
      (error) => isLifeboatError(error, "CONFIG_INVALID") && message.test(error.message),
    );
  }
  const keyed = providerOf(neon.sandbox, { apiKey: Secret.of("a key\nwith a line") });
  await assert.rejects(keyed.connection(), (error) => isLifeboatError(error, "CONFIG_INVALID") && /API key/.test(error.message));
  assert.equal(neon.sandbox.faults.seen.length, 0);
});
