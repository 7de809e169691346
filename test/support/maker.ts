// A job that makes resources in a test, without a repository: its proofs are made with a secret of the process.
import { createHmac, randomBytes } from "node:crypto";
import type { Maker } from "../../src/ports/resource.ts";

const SECRET = randomBytes(32).toString("hex");

/** `secret`: as another process of the same writer has it. */
export function testMaker(jobId: string, { unended = true, secret = SECRET } = {}): Maker {
  const prove = (...parts: readonly string[]): string =>
    createHmac("sha256", secret)
      .update(JSON.stringify([jobId, ...parts]))
      .digest("hex")
      .slice(0, 26);
  return { jobId, prove, unended };
}
