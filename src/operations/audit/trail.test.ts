import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { drivenClock, temporaryDirectory, temporaryRepository } from "../../../test/support/repository.ts";
import { LifeboatError } from "../../core/errors.ts";
import { silentProgress } from "../../ports/progress.ts";
import { entriesBackwards } from "../../repository/audit-log.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { openTrail } from "./trail.ts";

async function eventsOf(repository: Repository): Promise<string[]> {
  const events: string[] = [];
  for await (const { entry } of entriesBackwards(repository)) events.unshift(`${entry.event} ${entry.operation} ${entry.outcome ?? ""}`);
  return events;
}

test("R45 without a writable audit log, approved changes are refused and other jobs are recorded later", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  let full = true;
  const storage: Repository["storage"] = {
    ...repository.storage,
    async put(name, ...rest) {
      if (full && name.startsWith("audit/")) throw new LifeboatError("STORAGE_FULL", "no space");
      return repository.storage.put(name, ...rest);
    },
  };
  const place = { ...repository, storage };
  const audit = openTrail(place, join(await temporaryDirectory(t), "audit"), clock);
  const context = { repository: place, clock, audit, sources: new Map(), servers: new Map(), lifeboat: "0" } as unknown as Context;
  const watch: Watch = { signal: new AbortController().signal, progress: silentProgress };
  const run = (verb: string, permit?: Watch["permit"]) =>
    runJob(
      context,
      { verb, source: "shop" },
      { ...watch, permit },
      async () => verb,
      () => ({}),
    );

  const permit = { approval: { id: "plan1", approvers: ["ada"], digest: "d1" }, mustLog: true, use: async () => {} };
  await assert.rejects(run("restore", permit), { code: "AUDIT_UNWRITABLE", message: /production was not changed.*no space/ });
  assert.equal(await run("backup"), "backup");
  assert.equal(await run("restore", { glass: "no one answers", mustLog: false, use: async () => {} }), "restore");
  assert.equal(await audit.waiting(), 6);
  full = false;
  await run("verify");
  assert.equal(await audit.waiting(), 0);
  assert.deepEqual(await eventsOf(place), [
    "begin restore ",
    "end restore AUDIT_UNWRITABLE",
    "begin backup ",
    "end backup done",
    "begin restore ",
    "end restore done",
    "begin verify ",
    "end verify done",
  ]);
});

test("R45 a done job stays done where its end can be recorded nowhere; a long reason does not stop the log", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  let full = false;
  const storage: Repository["storage"] = {
    ...repository.storage,
    async put(name, ...rest) {
      if (full && name.startsWith("audit/")) throw new LifeboatError("STORAGE_FULL", "no space");
      return repository.storage.put(name, ...rest);
    },
  };
  const place = { ...repository, storage };
  const file = join(await temporaryDirectory(t), "audit");
  await writeFile(file, "a file where the directory would be");
  const audit = openTrail(place, file, clock);
  const context = { repository: place, clock, audit, sources: new Map(), servers: new Map(), lifeboat: "0" } as unknown as Context;
  const notes: string[] = [];
  const watch: Watch = {
    signal: new AbortController().signal,
    progress: { ...silentProgress, note: (message) => void notes.push(message) },
  };
  const done = await runJob(
    context,
    { verb: "restore", source: "shop" },
    watch,
    async () => {
      full = true;
      return "restored";
    },
    () => ({}),
  );
  assert.equal(done, "restored");
  assert.match(notes.join(), /the end of job \w+ is not in the audit log: .*no space\), nor can .*audit/);
  await assert.rejects(audit.record({ event: "revoke", operation: "restore" }), { code: "AUDIT_UNWRITABLE" });
  full = false;
  assert.equal(await audit.record({ event: "revoke", operation: "restore", reason: "a".repeat(70_000) }), undefined);
  assert.deepEqual(await eventsOf(place), ["begin restore ", "revoke restore "]);
});
