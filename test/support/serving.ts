// `lifeboat serve` as its users run it: a child whose log is read line by line.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { Ran, Running, World } from "./program.ts";

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Serving extends Running {
  readonly url: string;
  /** The log so far. */
  readonly lines: readonly Line[];
  /** Resolves with the first line from `from` on that is so. Rejects when the program ends before. */
  until(isSo: (line: Line) => boolean, from?: number): Promise<Line>;
  /** Asks for a path until the answer has the status. */
  health(path: string, status: number): Promise<Record<string, unknown>>;
  /** SIGTERM. Fails unless the status is 0. */
  stop(): Promise<Ran>;
}

export async function beginServing(world: World): Promise<Serving> {
  const running = world.start("serve", "--port", "0", "--log", "json");
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  const { stderr } = running.child;
  assert.ok(stderr !== null);
  createInterface({ input: stderr }).on("line", (text) => {
    if (!text.startsWith("{")) return;
    lines.push(JSON.parse(text));
    for (const look of waiting) look();
  });
  const until = (isSo: (line: Line) => boolean, from = 0): Promise<Line> => {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const look = (): void => {
      const found = lines.slice(from).find(isSo);
      if (found !== undefined) resolve(found);
    };
    waiting.add(look);
    running.ended.then(({ exit, stderr: text }) => reject(new Error(`the service ended with ${exit}\n${text}`)), reject);
    look();
    return promise.finally(() => waiting.delete(look));
  };
  const { url } = await until((line) => typeof line.url === "string");
  return {
    ...running,
    url: String(url),
    lines,
    until,
    async health(path, status) {
      for (;;) {
        const seen = lines.length;
        const answer = await fetch(`${url}${path}`);
        const body = (await answer.json()) as Record<string, unknown>;
        if (answer.status === status) return body;
        // A beat that changes the answer says so: an alert opens or closes, or a job ends.
        await Promise.race([until(() => true, seen), new Promise((resolve) => setTimeout(resolve, 500))]);
      }
    },
    async stop() {
      running.kill("SIGTERM");
      const ran = await running.ended;
      assert.equal(ran.exit, 0, ran.stderr);
      return ran;
    },
  };
}
