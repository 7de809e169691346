// A source named shop and its erasure ledger, by the library: what the tests of the ledger ask again and again.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { isLifeboatError, type Lifeboat, openLifeboat } from "../../src/index.ts";
import type { RequestOf, ResultOf } from "../../src/lifeboat.ts";
import type { World } from "./program.ts";

type Rows = Omit<RequestOf<"forget">, "source" | "reason">;
type Finding = ResultOf<"drill">["drills"][number];

export interface LedgerWorld {
  readonly lifeboat: Lifeboat;
  forget(rows: Rows): Promise<ResultOf<"forget">>;
  /** Id of the restore point. */
  backup(kind?: "base"): Promise<string>;
  drill(to?: string): Promise<Finding>;
  restore(request: Omit<RequestOf<"restore">, "source">): Promise<ResultOf<"restore">>;
}

export async function openLedgerWorld(t: TestContext, world: World): Promise<LedgerWorld> {
  const source = "shop";
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());
  return {
    lifeboat,
    forget: (rows) => lifeboat.run("forget", { source, reason: "DSAR-17", ...rows }),
    async backup(kind) {
      const [made] = (await lifeboat.run("backup", { source, ...(kind && { kind }) })).made;
      assert.ok(made !== undefined);
      return made.id;
    },
    async drill(to) {
      const [drilled] = (await lifeboat.run("drill", { source, ...(to !== undefined && { to }) })).drills;
      assert.ok(drilled !== undefined);
      return drilled;
    },
    restore: (request) => lifeboat.run("restore", { source, ...request }),
  };
}

/** How the checks of the erasure ledger came out. */
export const ledgerOf = ({ checks }: Pick<Finding, "checks">): string[] =>
  checks.filter(({ name }) => name === "erasure ledger").map(({ outcome }) => outcome);

/** The error of a call that must fail with the code. */
export async function refusal(call: Promise<unknown>, code: string): Promise<Error & { readonly hint: string }> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(isLifeboatError(error), `${code} expected, not ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}
