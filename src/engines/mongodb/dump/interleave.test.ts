import assert from "node:assert/strict";
import { test } from "node:test";
import { interleave } from "./interleave.ts";

test("all items come out, in each source's order, and no more sources than allowed are read at a time", async () => {
  let open = 0;
  let most = 0;
  const sources = [3, 0, 5, 1, 2].map(
    (length, name) =>
      async function* (): AsyncGenerator<readonly [number, number], void> {
        most = Math.max(most, ++open);
        for (let n = 0; n < length; n++) yield [name, n];
        open -= 1;
      },
  );
  const got: (readonly [number, number])[] = [];
  for await (const one of interleave(sources, 2)) got.push(one);
  assert.equal(most, 2);
  for (const [name, length] of [3, 0, 5, 1, 2].entries()) {
    assert.deepEqual(
      got.filter(([of]) => of === name).map(([, n]) => n),
      Array.from({ length }, (_, n) => n),
    );
  }
});

test("a failure ends the others, and so does leaving early", async () => {
  for (const failing of [true, false]) {
    let closed = 0;
    const endless = async function* (): AsyncGenerator<number, void> {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        closed += 1;
      }
    };
    const broken = async function* (): AsyncGenerator<number, void> {
      yield 0;
      throw new Error("broken");
    };
    const read = async (): Promise<void> => {
      let taken = 0;
      for await (const _ of interleave([endless, failing ? broken : endless], 2)) if (!failing && ++taken === 5) break;
    };
    await (failing ? assert.rejects(read, /broken/) : read());
    assert.equal(closed, failing ? 1 : 2);
  }
});

test("nothing is asked of a source before what it gave was taken", async () => {
  let made = 0;
  const source = async function* (): AsyncGenerator<number, void> {
    for (;;) yield ++made;
  };
  for await (const one of interleave([source], 3)) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made, one);
    if (one === 3) break;
  }
});
