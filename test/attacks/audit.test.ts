// Who can write to the storage changes the audit log, replays an old one, or plants an approval: each is seen or refused.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { type TestContext, test } from "node:test";
import { wireWitnesses } from "../../src/compose/witnesses.ts";
import type { Config } from "../../src/config/load.ts";
import { LifeboatError } from "../../src/core/errors.ts";
import { DESCRIPTORS } from "../../src/descriptors.ts";
import { passGate } from "../../src/operations/approval/gate.ts";
import { sweepSealed } from "../../src/operations/approval/sealed.ts";
import { openTrail } from "../../src/operations/audit/trail.ts";
import { verifyAudit } from "../../src/operations/audit/verify.ts";
import { witnessAudit } from "../../src/operations/audit/witness.ts";
import type { Watch } from "../../src/operations/context.ts";
import type { OperationContext } from "../../src/operations/operation.ts";
import { digestOf } from "../../src/operations/plan-digest.ts";
import { approvalsRevoke } from "../../src/operations/verbs/approvals.ts";
import { approve } from "../../src/operations/verbs/approve.ts";
import { undo } from "../../src/operations/verbs/undo.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import type { Witness } from "../../src/ports/witness.ts";
import { approvalText, readFrozen, storeFrozen } from "../../src/repository/approvals.ts";
import { type AuditEntry, decodeBundle, encodeBundle, encodeEntry, originOf } from "../../src/repository/audit-entry.ts";
import { appendEntry } from "../../src/repository/audit-log.ts";
import { getBytes } from "../../src/repository/json-object.ts";
import { openForgetful } from "../../src/repository/memory.ts";
import { leafHash, rootOf } from "../../src/repository/merkle.ts";
import { createRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { checkpointText, noteKeyId, signNote } from "../../src/repository/signed-note.ts";
import { generateWriter, parseWriter, requireWriter } from "../../src/repository/trust.ts";
import { storeUndoSet } from "../../src/repository/undo-sets.ts";
import { generateIdentity } from "../../src/seal/keys.ts";
import { apiOperations, parseRemote } from "../../src/server/api/operations.ts";
import { collect } from "../support/bytes.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { drivenClock, temporaryDirectory, testTrust } from "../support/repository.ts";

const signal = new AbortController().signal;
const actor = { kind: "user", name: "bob@one", via: "command line" } as const;
const entry = (id: string): AuditEntry => ({
  id,
  at: "2026-11-29T12:00:00.000Z",
  event: "begin",
  operation: "restore",
  source: "shop",
  actor,
  process: "bob@one",
});

async function logOf(count: number): Promise<Repository> {
  const clock = drivenClock();
  const log = await createRepository(memoryStorage(clock), ["age1test"], clock, testTrust());
  for (let at = 0; at < count; at++) await appendEntry(log, entry(`e${at}`));
  return log;
}

const bundleName = (size: number): string => `audit/tile/entries/000.p/${size}`;

/** Replaces the entries and the tiles of hashes, as an attacker without a key can. */
async function tamper({ storage }: Repository, size: number, change: (entries: Uint8Array[]) => Uint8Array[]): Promise<void> {
  const entries = change(decodeBundle((await getBytes(storage, bundleName(size))) ?? new Uint8Array()));
  await storage.put(bundleName(size), encodeBundle(entries));
  await storage.put(`audit/tile/0/000.p/${size}`, Buffer.concat(entries.map(leafHash)));
}

const flawsOf = async (log: Repository, witnesses: readonly Witness[] = []) =>
  (await verifyAudit({ repository: log, witnesses }, signal)).flaws.map(({ index, message }) => `${index}: ${message}`);

/** The same repository on a machine that has never seen it. */
const newMachine = (log: Repository): Repository => ({ ...log, memory: openForgetful() });

test("R45 audit verify names the first entry that was changed, removed, moved or cut off", async () => {
  const seen = async (change: (entries: Uint8Array[]) => Uint8Array[]): Promise<string | undefined> => {
    const log = newMachine(await logOf(5));
    assert.deepEqual(await flawsOf(log), []);
    await tamper(log, 5, change);
    return (await flawsOf(newMachine(log)))[0];
  };
  const rename = (bytes: Uint8Array | undefined): Uint8Array =>
    Buffer.from(
      Buffer.from(bytes ?? [])
        .toString()
        .replace("shop", "shoq"),
    );
  const [a, b, c, d] = await Promise.all([
    seen((entries) => entries.with(2, rename(entries[2]))),
    seen((entries) => entries.toSpliced(1, 1)),
    seen((entries) => [...entries.slice(0, 3), ...entries.slice(3).reverse()]),
    seen((entries) => entries.slice(0, 4)),
  ]);
  assert.match(a ?? "", /^2: entry 2 was changed/);
  assert.match(b ?? "", /^1: entry 1 was removed or moved: entry 2 is in its place/);
  assert.match(c ?? "", /^3: entry 3 was removed or moved: entry 4/);
  assert.match(d ?? "", /^4: entry 4 is missing/);
});

test("R45 an old checkpoint that is put back is seen by this machine, and by any machine through a witness", async (t) => {
  const log = await logOf(3);
  const old = (await getBytes(log.storage, "audit/checkpoint")) ?? new Uint8Array();
  const saved = (await getBytes(log.storage, bundleName(3))) ?? new Uint8Array();
  await appendEntry(log, entry("late"));
  const witnesses = await witnessesOf(t, log);
  const context = contextOf(log, { witnesses });
  assert.deepEqual(await witnessAudit(context, signal), []);
  await log.storage.put("audit/checkpoint", old);
  await log.storage.put(bundleName(3), saved);
  assert.match((await flawsOf(log)).join(), /3: entry 3 and all after it are gone: this machine has seen 4/);
  const elsewhere = newMachine(log);
  assert.deepEqual(await flawsOf(elsewhere), [], "a machine without memory and witness cannot know");
  for (const witness of witnesses) {
    assert.match((await flawsOf(elsewhere, [witness])).join(), new RegExp(`gone: witness ${witness.name} has seen 4`));
    const [reason] = await witnessAudit(contextOf(newMachine(log), { witnesses: [witness] }), signal);
    assert.deepEqual([reason?.code, /rolled back from 4 entries to 3/.test(reason?.message ?? "")], ["AUDIT_INVALID", true]);
    assert.equal((await witness.read(9, signal)).length, 1, "the old checkpoint was not witnessed");
  }
  await log.storage.put("audit/checkpoint", Buffer.from("forged\n"));
  assert.match((await flawsOf(newMachine(log))).join(), /not a checkpoint that a trusted key signed/);
});

test("R45 a log that its own writer rewrote is refused by the witness, which says between which entries", async (t) => {
  const log = await logOf(2);
  const witnesses = await witnessesOf(t, log);
  await witnessAudit(contextOf(log, { witnesses }), signal);
  for (const id of ["c", "d"]) await appendEntry(log, entry(id));
  await witnessAudit(contextOf(log, { witnesses }), signal);
  const entries = ["e0", "e1", "other", "d"].map((id, at) => encodeEntry(log, at, entry(id)));
  await tamper(log, 4, () => entries);
  const writer = requireWriter(log.trust);
  // The first two are signed alike: Ed25519 has one signature of one text.
  const text = checkpointText(originOf(log), { size: 4, root: rootOf(entries.map(leafHash)) });
  await log.storage.put("audit/checkpoint", Buffer.from(signNote(text, originOf(log), writer)));
  for (const witness of witnesses) {
    const flaws = await flawsOf(newMachine(log), [witness]);
    assert.match(flaws.join(), new RegExp(`2: an entry from 2 to 3 differs from what witness ${witness.name} has seen`));
  }
});

/** A folder and a git clone that is pushed. */
async function witnessesOf(t: TestContext, log: Repository): Promise<readonly Witness[]> {
  const directory = await temporaryDirectory(t);
  const git = (...args: readonly string[]): void => void execFileSync("git", args, { cwd: directory, stdio: "ignore" });
  git("init", "--bare", "-b", "main", "origin.git");
  git("clone", "origin.git", "clone");
  git("-C", "clone", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--allow-empty", "-m", "begin");
  git("-C", "clone", "push", "-u", "origin", "HEAD:main");
  const places = { folder: { url: `file://${directory}/witness`, git: undefined }, clone: { url: undefined, git: `${directory}/clone` } };
  return wireWitnesses({ audit: { witnesses: places }, descriptors: DESCRIPTORS } as unknown as Config, log.identity.id);
}

const ada = parseWriter(generateWriter().pem, "ada");
const eve = parseWriter(generateWriter().pem, "eve");

function contextOf(log: Repository, more: Partial<OperationContext> = {}): OperationContext {
  const clock = drivenClock("2026-11-29T12:10:00.000Z");
  const approvers = [{ name: "ada", key: ada.publicKey, identities: [] }];
  return {
    ...{ repository: log, clock, signal, progress: silentProgress, actor, servers: new Map() },
    audit: openTrail(log, "/nonexistent/never-used", clock),
    approval: { approvers, validForMs: 3_600_000 },
    sources: new Map([["shop", { name: "shop", approval: true }]]),
    ...more,
  } as unknown as OperationContext;
}

test("R45 an approval that is planted, copied, expired or of a plan that lies approves nothing", async () => {
  const log = await logOf(1);
  const context = contextOf(log);
  const bare = { verb: "restore", source: "shop", steps: [], refusals: [], request: { inPlace: true }, facts: {} };
  const plan = { ...bare, digest: digestOf(bare) };
  const frozen = (id: string) => ({
    ...({
      format: 1,
      id,
      operation: "restore",
      source: "shop",
      request: { source: "shop", inPlace: true },
      plan,
      digest: plan.digest,
    } as const),
    ...{
      requestedAt: "2026-11-29T12:00:00.000Z",
      expiresAt: "2026-11-29T13:00:00.000Z",
      requestedBy: actor,
      process: "bob@one",
      auditSize: 1,
    },
  });
  const gate = { name: "restore", production: async () => ["shop"], plan: async () => plan };
  const pass = (id: string) => passGate(gate, context, { source: "shop", approved: id });
  const noteOf = async (id: string, name: string, key: typeof ada): Promise<Buffer> => {
    const found = await readFrozen(log, id);
    assert.ok(found);
    return Buffer.from(signNote(approvalText(log, found), name, key));
  };
  const noteName = (id: string): string => `approvals/${id}/${noteKeyId("ada", ada.publicKey)}.note`;
  const refused = (id: string, message: RegExp) => assert.rejects(pass(id), { code: "APPROVAL_INVALID", message });

  await storeFrozen(log, frozen("one"));
  await storeFrozen(log, frozen("two"));
  await log.storage.put(noteName("one"), await noteOf("one", "ada", eve));
  await refused("one", /not signed by an approver/);
  await log.storage.put(noteName("one"), await noteOf("two", "ada", ada));
  await refused("one", /not signed by an approver/);
  await log.storage.put(noteName("one"), await noteOf("one", "ada", ada));
  assert.deepEqual((await pass("one")).permit?.approval?.approvers, ["ada"]);

  const foreign = { ...log, trust: testTrust() };
  await storeFrozen(foreign, frozen("planted"));
  await log.storage.put(noteName("planted"), await noteOf("planted", "ada", ada));
  await refused("planted", /of a plan that no trusted key signed/);
  await log.storage.put("approvals/planted/end.json", Buffer.from("{}"));

  await storeFrozen(log, { ...frozen("lying"), plan: { ...plan, request: { inPlace: false } } });
  await assert.rejects(approve.run(context, { approval: "lying", approver: "ada", signature: "" }), {
    code: "APPROVAL_INVALID",
    message: /digest that is not the one of the plan it shows/,
  });
  await storeFrozen(log, { ...frozen("late"), expiresAt: "2026-11-29T12:05:00.000Z" });
  await log.storage.put(noteName("late"), await noteOf("late", "ada", ada));
  await refused("late", /expired/);

  await (await pass("one")).permit?.use("job1");
  await refused("one", /was used already/);
});

test("R45 R61 a frozen plan that may show rows is sealed: only an approver with the identity sees it", async () => {
  const log = await logOf(1);
  const key = await generateIdentity();
  const context = contextOf(log, { openKey: async () => ({ identities: [key.identity] }) });
  const request = { source: "shop", merge: true, where: "email = 'ann@example.com'" };
  const bare = { verb: "restore", source: "shop", steps: [], refusals: [], otherRoutes: [], request, facts: {} };
  const plan = { ...bare, digest: digestOf(bare) };
  const frozen = {
    ...({ format: 1, id: "one", operation: "restore", source: "shop", request, plan, digest: plan.digest } as const),
    ...{ requestedAt: "2026-11-29T12:00:00.000Z", expiresAt: "2026-11-29T13:00:00.000Z", requestedBy: actor, process: "bob@one" },
    auditSize: 1,
  };
  await storeFrozen(log, frozen, { recipients: [key.recipient] });
  for await (const { name } of log.storage.list("approvals/"))
    assert.ok(!Buffer.concat(await collect(log.storage.get(name))).includes("ann@example.com"), name);
  const found = await readFrozen(log, "one");
  assert.ok(found);
  const note = signNote(approvalText(log, found), "ada", ada);
  await log.storage.put(`approvals/one/${noteKeyId("ada", ada.publicKey)}.note`, Buffer.from(note));
  let given: string | undefined = "job1";
  const jobId = (): string | undefined => {
    const next = given;
    given = undefined;
    return next;
  };
  const planned = async (own: Watch) => {
    own.jobId?.();
    return plan;
  };
  const gate = { name: "restore", production: async () => ["shop"], plan: planned };
  const passed = await passGate(gate, { ...context, jobId }, { source: "shop", approved: "one" });
  assert.equal(given, "job1", "a job that looks at the plan again does not take the id of the one that carries it out");
  assert.equal(passed.request.where, request.where);
  assert.deepEqual(passed.permit?.approval, { id: "one", approvers: ["ada"], digest: plan.digest });
  const openKey = (): Promise<never> => Promise.reject(new LifeboatError("KEY_MISSING", "no identity is configured"));
  await assert.rejects(approve.plan?.run({ ...context, openKey }, { approval: "one" }) ?? Promise.resolve(), {
    code: "KEY_MISSING",
    message: /may show rows, so it is sealed/,
  });

  // The rows are removed when the approval ends, and with them nothing else.
  const left = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of log.storage.list("approvals/")) names.push(name.slice("approvals/".length));
    return names;
  };
  for (const [id, expiresAt] of [
    ["late", "2026-11-29T12:05:00.000Z"],
    ["open", frozen.expiresAt],
    ["revoked", frozen.expiresAt],
  ] as const)
    await storeFrozen(log, { ...frozen, id, expiresAt }, { recipients: [key.recipient] });
  await log.storage.put("approvals/damaged/plan.zst.age", Buffer.from("x"));
  await log.storage.put("approvals/damaged/plan.json", Buffer.from("{"));
  const sealedLeft = async () => (await left()).flatMap((name) => /^(.*)\/plan\.zst\.age$/.exec(name)?.[1] ?? []).sort();
  await passed.permit?.use("job1");
  assert.deepEqual(await sealedLeft(), ["damaged", "late", "open", "revoked"], "it was carried out");
  assert.ok((await left()).includes("one/end.json") && (await left()).some((name) => /^one\/.*\.note$/.test(name)));
  await approvalsRevoke.run(context, { approval: "revoked" });
  assert.deepEqual(await sealedLeft(), ["damaged", "late", "open"], "it was revoked");
  assert.deepEqual(
    (await sweepSealed(context, context)).map(({ id }) => id),
    ["open"],
  );
  assert.deepEqual(await sealedLeft(), ["damaged", "open"], "it had expired");
  for (const [id, why] of [
    ["one", /was used already/],
    ["revoked", /was revoked already/],
    ["late", /expired/],
  ] as const) {
    const message = { code: "APPROVAL_INVALID", message: why };
    await assert.rejects(approve.plan?.run(context, { approval: id }) ?? Promise.resolve(), message);
    await assert.rejects(passGate(gate, context, { source: "shop", approved: id }), message);
  }
});

test("R45 broken glass is told to every channel where none receives its alerts, and for each source", async () => {
  const log = await logOf(0);
  const told: string[] = [];
  const channel = (name: string, ...sources: string[]) => ({
    ...{ name, kind: "webhook", route: { sources, severities: ["warning"] } },
    notifier: async () => ({ send: async ({ source }: { source: string | null }) => void told.push(`${name} ${source}`) }),
  });
  const notifiers = new Map([channel("ops", "other"), channel("mail")].map((one) => [one.name, one]));
  const context = contextOf(log, { notifiers: notifiers as unknown as OperationContext["notifiers"], timeZone: () => "UTC" });
  const gate = { name: "restore", production: async () => ["shop", "store"], plan: () => assert.fail("it is not asked") };
  await passGate(gate, context, { source: "shop", breakGlass: "no approver answers" });
  assert.deepEqual(told.sort(), ["mail shop", "mail store", "ops shop", "ops store"]);
});

test("R45 the undo of a merge into a guarded database takes approval, although its source takes none", async () => {
  const log = await logOf(0);
  const [madeAt, expiresAt] = ["2026-11-29T12:00:00.000Z", "2026-12-06T12:00:00.000Z"];
  const key = { recipients: [(await generateIdentity()).recipient] };
  const bytes = async function* () {
    yield new TextEncoder().encode("rows");
  };
  for (const [job, into] of [
    ["aa", "shop"],
    ["bb", "copy"],
    ["cc", undefined],
  ] as const) {
    const record = { job, source: "store", verb: "merge", madeAt, expiresAt, target: into ?? "store", into, content: "changes" } as const;
    await storeUndoSet(log, record, bytes(), key);
  }
  const engine = {
    name: "postgres",
    resolveTarget: (_: unknown, into: string) => ({ connection: { label: into } }),
    stateOf: async () => ({ exists: true, occupants: [] }),
    async assertSeparate(one: { label: string }, other: { label: string }) {
      if (one.label === other.label) throw new LifeboatError("SOURCE_WRITE_REFUSED", "the same database");
    },
  };
  const source = (name: string, approval: boolean) => ({ name, approval, engine, provider: { connection: async () => ({ label: name }) } });
  const sources = new Map([source("shop", true), source("store", false)].map((one) => [one.name, one]));
  const context = contextOf(log, { sources: sources as unknown as OperationContext["sources"] });
  assert.deepEqual(await undo.gate.production(context, { job: "aa" }), ["shop"]);
  assert.deepEqual(await undo.gate.production(context, { job: "bb" }), []);
  assert.deepEqual(await undo.gate.production(context, { job: "cc" }), []);
});

test("R45 what the API would refuse of a restore cannot be frozen through it and then carried out", async () => {
  const request = (await apiOperations()).find(({ name }) => name === "approvals request");
  assert.ok(request);
  const asked = { source: "shop", replace: true, yes: "shop" };
  const ask = (more: object) => parseRemote(request, { operation: "restore", request: { ...asked, ...more } });
  assert.doesNotThrow(() => ask({ into: "shop" }));
  for (const more of [{ asSuperuser: true }, { unsigned: true }, { into: "postgres://elsewhere/shop" }, { into: "/srv/data" }])
    assert.throws(() => ask(more), { code: "LOCAL_ONLY" }, JSON.stringify(more));
});

test("R45 witnesses keep checkpoints of a key that was retired since, and what was planted there is a flaw", async (t) => {
  const log = await logOf(2);
  const [folder] = await witnessesOf(t, log);
  assert.ok(folder);
  await witnessAudit(contextOf(log, { witnesses: [folder] }), signal);
  const rotated = newMachine({ ...log, trust: testTrust() });
  const origin = originOf(log);
  const size = 2;
  const entries = decodeBundle((await getBytes(log.storage, bundleName(size))) ?? new Uint8Array());
  const note = (root: Uint8Array, by: Repository, of: number) =>
    signNote(checkpointText(origin, { size: of, root }), origin, requireWriter(by.trust));
  await log.storage.put("audit/checkpoint", Buffer.from(note(rootOf(entries.map(leafHash)), rotated, size)));
  assert.deepEqual(await flawsOf(rotated, [folder]), []);
  const stranger = { ...log, trust: testTrust() };
  await folder.keep(1, note(rootOf([]), stranger, 1), signal);
  assert.match((await flawsOf(newMachine(rotated), [folder])).join(), /keeps 1 checkpoints that no trusted key signed and that do not fit/);
  await folder.keep(3, note(rootOf([]), stranger, 3), signal);
  await appendEntry(rotated, entry("third"));
  const [reason] = await witnessAudit(contextOf(rotated, { witnesses: [folder] }), signal);
  assert.equal(reason?.code, "AUDIT_INVALID", reason?.message);
});

test("R45 an object larger than a file of the log can be stops neither alerts nor the log", async () => {
  const log = await logOf(1);
  await log.storage.put(bundleName(2), Buffer.alloc(33 * 1024 * 1024));
  await appendEntry(log, entry("second"));
  assert.deepEqual(await flawsOf(log), []);
  await log.storage.put("audit/checkpoint", Buffer.alloc(65 * 1024));
  const [reason] = await witnessAudit(contextOf(log), signal);
  assert.equal(reason?.code, "AUDIT_INVALID");
  assert.match((await flawsOf(newMachine(log))).join(), /not a checkpoint that a trusted key signed/);
});
