import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../test/support/memory-storage.ts";
import { drivenClock, testTrust } from "../../test/support/repository.ts";
import { LifeboatError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";
import { type AuditEntry, encodeBundle, encodeEntry, originOf } from "./audit-entry.ts";
import { appendEntry, entriesBackwards, readCheckpoint } from "./audit-log.ts";
import { openForgetful } from "./memory.ts";
import { leafHash, rootOf } from "./merkle.ts";
import { createRepository } from "./open.ts";
import type { Repository } from "./repository.ts";
import { checkpointText, signNote } from "./signed-note.ts";
import { requireWriter, trustOf } from "./trust.ts";

const entry = (id: string): AuditEntry => ({
  id,
  at: "2026-11-29T12:00:00.000Z",
  event: "begin",
  operation: "restore",
  source: "shop",
  actor: { kind: "user", name: "ada@one", via: "command line" },
  process: "ada@one",
});

async function repository(): Promise<Repository> {
  const clock = drivenClock();
  return createRepository(memoryStorage(clock), ["age1test"], clock, testTrust());
}

async function idsOf(log: Repository): Promise<string[]> {
  const ids: string[] = [];
  for await (const { entry: one } of entriesBackwards(log)) ids.unshift(one.id);
  return ids;
}

/** The repository as a second machine with a key of its own sees it. */
const secondMachine = (first: Repository): Repository => {
  const own = testTrust();
  return { ...first, memory: openForgetful(), trust: trustOf([...first.trust.keys, ...own.keys], own.writer) };
};

test("R45 entries of several machines at once are all in the log, in one order, over the end of a tile", async () => {
  const one = await repository();
  const other = secondMachine(one);
  const both = { ...one, trust: trustOf(other.trust.keys, one.trust.writer) };
  const before = Array.from({ length: 250 }, (_, at) => `old-${at}`);
  const entries = before.map((id, at) => encodeEntry(one, at, entry(id)));
  const leaves = entries.map(leafHash);
  await one.storage.put("audit/tile/entries/000.p/250", encodeBundle(entries));
  await one.storage.put("audit/tile/0/000.p/250", Buffer.concat(leaves));
  const text = checkpointText(originOf(one), { size: 250, root: rootOf(leaves) });
  await one.storage.put("audit/checkpoint", Buffer.from(signNote(text, originOf(one), requireWriter(one.trust))));
  const ids = Array.from({ length: 12 }, (_, at) => String(at));
  const half = async (log: Repository, odd: number): Promise<void> => {
    for (const id of ids) if (Number(id) % 2 === odd) await appendEntry(log, entry(id));
  };
  await Promise.all([half(both, 0), half(other, 1)]);
  assert.deepEqual((await idsOf(both)).sort(), [...before, ...ids].sort());
  assert.deepEqual(await idsOf(both), await idsOf(other));
});

test("R45 an append reads nothing of the log but its newest version, until another process has appended", async () => {
  const log = await repository();
  const requests: string[] = [];
  const { put, get, head, delete: remove } = log.storage;
  const counted =
    <Rest extends unknown[], Result>(verb: string, call: (name: string, ...rest: Rest) => Result) =>
    (name: string, ...rest: Rest): Result => {
      requests.push(`${verb} ${name}`);
      return call(name, ...rest);
    };
  const storage: Storage = {
    ...log.storage,
    ...{ put: counted("put", put), get: counted("get", get), head: counted("head", head), delete: counted("delete", remove) },
  };
  const other = secondMachine(log);
  const own = { ...log, storage, trust: trustOf(other.trust.keys, log.trust.writer) };
  const append = async (id: string): Promise<string[]> => {
    requests.length = 0;
    await appendEntry(own, entry(id));
    return [...requests];
  };
  for (const id of ["a", "b", "c"]) await append(id);
  const warm = [
    ...["head audit/checkpoint", "put audit/tile/entries/000.p/4", "put audit/tile/0/000.p/4", "put audit/checkpoint"],
    ...["delete audit/tile/entries/000.p/2", "delete audit/tile/0/000.p/2"],
  ];
  assert.deepEqual(await append("d"), warm);
  await appendEntry(other, entry("e"));
  assert.deepEqual(
    (await append("f")).filter((request) => request.startsWith("get")),
    ["get audit/checkpoint", "get audit/tile/entries/000.p/5", "get audit/tile/0/000.p/5"],
    "the tile too, because the log has grown since this machine saw it",
  );
  assert.deepEqual(await idsOf(own), ["a", "b", "c", "d", "e", "f"]);
});

test("R45 a writer that dies at any request loses no other's entry, and the log continues", async () => {
  for (let died = 1; died <= 9; died++) {
    const log = await repository();
    await appendEntry(log, entry("first"));
    let requests = 0;
    const dying: Storage = {
      ...log.storage,
      put: async (...args) => {
        if (++requests > died / 2) throw new LifeboatError("STORAGE_UNREACHABLE", "gone");
        const done = await log.storage.put(...args);
        if (requests > (died - 1) / 2) throw new LifeboatError("STORAGE_UNREACHABLE", "gone after it was stored");
        return done;
      },
    };
    await appendEntry({ ...log, storage: dying }, entry("dying")).catch(() => undefined);
    await appendEntry(log, entry("last"));
    const ids = await idsOf(log);
    assert.deepEqual(
      ids.filter((id) => id !== "dying"),
      ["first", "last"],
      `died at ${died}: ${ids}`,
    );
    assert.ok(ids.filter((id) => id === "dying").length <= 1);
  }
});

test("R45 a bundle that no trusted writer has signed is replaced, and never becomes an entry", async () => {
  const log = await repository();
  await appendEntry(log, entry("first"));
  const forger = { ...(await repository()), storage: log.storage };
  await appendEntry({ ...forger, identity: log.identity, storage: memoryStorage(drivenClock()) }, entry("x"));
  await log.storage.put("audit/tile/entries/000.p/2", Buffer.from("forged"));
  await appendEntry(log, entry("second"));
  assert.deepEqual(await idsOf(log), ["first", "second"]);
});

test("R45 nothing is appended to a log that was rolled back or changed since this machine saw it", async () => {
  const log = await repository();
  await appendEntry(log, entry("first"));
  const old = await readCheckpoint(log);
  await appendEntry(log, entry("second"));
  const newest = await readCheckpoint(log);
  await log.storage.put("audit/checkpoint", Buffer.from(old?.note ?? ""));
  await assert.rejects(appendEntry(log, entry("third")), { code: "AUDIT_INVALID", message: /rolled back from 2 entries to 1/ });
  await log.storage.put("audit/checkpoint", Buffer.from(newest?.note ?? ""));
  await appendEntry(log, entry("third"));
  await log.storage.delete("audit/checkpoint");
  await assert.rejects(idsOf(log), { code: "AUDIT_INVALID", message: /removed/ });
});
