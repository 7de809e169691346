import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import { startChild } from "./child.ts";
import { baseEnvironment } from "./environment.ts";
import { runProgram } from "./run.ts";

const sh = (script: string, options: Partial<Parameters<typeof startChild>[2]> = {}) =>
  startChild("/bin/sh", ["-c", script], { env: baseEnvironment(), ...options });

async function size(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0;
  for await (const chunk of stream) total += chunk.byteLength;
  return total;
}

const gone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return /^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "");
  } catch {
    return true;
  }
};

async function untilGone(pid: number): Promise<void> {
  while (!gone(pid)) await sleep(10);
}

test("a child succeeds when it has closed with status 0", async () => {
  const child = await sh("head -c 300000 /dev/zero");
  assert.equal(await size(child.stdout), 300_000);
  await child.success();
});

for (const [script, said] of [
  ["echo oops >&2; exit 1", /sh ended with status 1: oops/],
  ["exit 137", /ended by signal 9 \(status 137\); it left no message/],
  ["exit 141", /ended by signal 13/],
  ["kill -9 $$", /ended by SIGKILL/],
] as const) {
  test(`a child whose output ended well is still a failure after \`${script}\``, async () => {
    const child = await sh(`head -c 1000 /dev/zero; ${script}`);
    assert.equal(await size(child.stdout), 1000);
    await assert.rejects(child.success(), (error) => isLifeboatError(error, "TOOL_FAILED") && said.test(error.message));
  });
}

test("a program that is not there is TOOL_MISSING", async () => {
  await assert.rejects(
    startChild("/nowhere/pg_dump", [], { env: {} }),
    (error) => isLifeboatError(error, "TOOL_MISSING") && error.message.includes("/nowhere/pg_dump"),
  );
});

test("what a child says is kept short, by its end, and without secrets", async () => {
  const child = await sh(
    `i=0; while [ $i -lt 2000 ]; do echo "line $i of many words"; i=$((i+1)); done >&2; printf 'password hun' >&2; sleep 0.05; echo 'ter2 refused' >&2; exit 1`,
    {
      secrets: ["hunter2"],
    },
  );
  await child.closed;
  const tail = child.stderrTail();
  assert.ok(tail.length <= 8192);
  assert.match(tail, /^line \d+ of many words\n/);
  assert.match(tail, /password ••• refused$/);
});

test("an abort ends the child and all that it started, and its reason is what is reported", async () => {
  const cause = new LifeboatError("LEASE_LOST", "another process took over");
  const controller = new AbortController();
  const child = await sh("sleep 1000 & echo $!; wait", { signal: controller.signal });
  const pids: string[] = [];
  await assert.rejects(
    (async () => {
      for await (const chunk of child.stdout) {
        pids.push(Buffer.from(chunk).toString().trim());
        controller.abort(cause);
      }
    })(),
    (error) => error === cause,
  );
  await assert.rejects(child.success(), (error) => error === cause);
  await untilGone(Number(pids[0]));
});

test("a child that ignores the request to end is killed after the grace", async () => {
  const child = await sh("trap '' TERM; echo ready; while :; do sleep 0.05; done", { graceMs: 50 });
  for await (const _ of child.stdout) break;
  await child.kill();
  assert.equal((await child.closed).signal, "SIGKILL");
});

test("a child whose output is not read can be ended", async () => {
  const child = await sh("cat /dev/zero");
  await sleep(50);
  await child.kill();
  assert.equal((await child.closed).signal, "SIGTERM");
});

test("a child gets none of our own variables but the ordinary ones", async () => {
  process.env.LIFEBOAT_TEST_SECRET = "x";
  const { stdout } = await runProgram("env", [], { env: baseEnvironment(), timeoutMs: 5_000 });
  delete process.env.LIFEBOAT_TEST_SECRET;
  assert.match(stdout, /^PATH=/m);
  assert.doesNotMatch(stdout, /LIFEBOAT_TEST_SECRET/);
});

test("a program that outlives its deadline is ended and named", async () => {
  await assert.rejects(runProgram("sleep", ["1000"], { env: baseEnvironment(), timeoutMs: 50 }), (error) =>
    isLifeboatError(error, "TOOL_FAILED"),
  );
});

test("children end when we are killed", {
  skip: process.platform === "linux" ? false : "only Linux ends a child with its parent",
}, async () => {
  const script = `
    import { startChild } from ${JSON.stringify(new URL("./child.ts", import.meta.url).href)};
    const child = await startChild("sleep", ["1000"], { env: { PATH: process.env.PATH } });
    console.log(child.pid);
    await child.closed;`;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (chunk) => resolve(Number(String(chunk)))));
  assert.ok(pid > 0 && !gone(pid));
  parent.kill("SIGKILL");
  await untilGone(pid);
});
