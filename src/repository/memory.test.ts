// The memory of a machine whose disk is full or whose file is damaged: never forgotten without a word.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Memory, openMemory } from "./memory.ts";

const ID = "00000000000000000000";
const point = (n: number) => ({ id: `p${n}`, name: `backup-${n}`, digest: "d".repeat(64), time: "2026-11-30T02:00:00.000Z" });

function makeState(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lb-memory-"));
  t.after(() => {
    spawnSync("umount", ["-l", directory], { stdio: "ignore" }); // where a test has mounted something there
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** What is remembered of shop, by a process of its own. */
function remembered(state: string, act: (memory: Memory) => void = () => {}) {
  const memory = openMemory(ID, state);
  act(memory);
  const found = { points: memory.points("shop").length, trouble: memory.trouble(), loss: memory.loss("shop") };
  memory.close();
  return found;
}

test("R56 a memory on a full disk says so, works on, and is remembered again when there is room", (t) => {
  const state = makeState(t);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", state], { stdio: "ignore" });
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  const running = openMemory(ID, state);
  running.seePoints("shop", [point(1)], []);
  const filler = join(state, "filler");
  for (let kib = 1024; kib >= 1; kib /= 2)
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(kib * 1024), { flag: "a" });
    } catch {}
  // One that is open reads on.
  running.seePoints(
    "shop",
    Array.from({ length: 2000 }, (_, n) => point(n)),
    [],
  );
  assert.equal(running.points("shop").length, 1);
  assert.match(running.trouble() ?? "", /memory-0{20}\.sqlite: .*full/);
  running.jobBegan("j1");
  // One that is opened now knows nothing, says so, and leaves the file as it is.
  const full = remembered(state, (memory) => memory.seePoints("shop", [point(2)], []));
  assert.match(full.trouble ?? "", /memory-0{20}\.sqlite: /);
  assert.equal(full.loss, undefined);
  rmSync(filler);
  assert.equal(running.trouble(), undefined);
  running.seePoints("shop", [point(3)], []);
  running.close();
  assert.deepEqual(remembered(state), { points: 2, trouble: undefined, loss: undefined });
});

test("R56 a damaged memory is kept aside and told until a person accepts it, also when damaged in use", (t) => {
  for (const isOpen of [false, true]) {
    const state = makeState(t);
    const file = join(state, `memory-${ID}.sqlite`);
    remembered(state, (memory) => memory.seePoints("shop", [point(1)], []));
    const running = isOpen ? openMemory(ID, state) : undefined;
    writeFileSync(file, "not a database".repeat(1000));
    if (running !== undefined) assert.equal(running.points("shop").length, 0);
    running?.close();
    const { points, trouble, loss } = remembered(state);
    assert.deepEqual([points, trouble], [0, undefined]);
    assert.match(loss ?? "", /cannot be read \(.*memory-0{20}\.sqlite: file is not a database\)$/);
    assert.equal(readdirSync(state).filter((name) => name.includes(".damaged-")).length, 1);
    assert.equal(remembered(state, (memory) => memory.acceptLoss("shop")).loss, undefined);
  }
});

test("R56 a memory that cannot be opened is left as it is", (t) => {
  const state = makeState(t);
  mkdirSync(join(state, `memory-${ID}.sqlite`));
  const { trouble, loss } = remembered(state);
  assert.match(trouble ?? "", /^the memory of this repository cannot be used \(.*: unable to open database file\)$/);
  assert.equal(loss, undefined);
  assert.deepEqual(readdirSync(state), [`memory-${ID}.sqlite`]);
});
