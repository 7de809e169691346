// Head room: asked before anything is made, because a restore that stops half-way at a limit leaves its own leftovers.
import { LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Account } from "./account.ts";
import { roomFor } from "./settings/limits.ts";
import { survey } from "./settings/survey.ts";

export type LimitName = "branches" | "root branches" | "snapshots" | "protected branches";

/** A sentence for each of these limits that has no place for one more. */
export async function missingRoom(
  account: Account,
  names: readonly LimitName[],
  work?: Work,
): Promise<{ limit: LimitName; why: string }[]> {
  const { limits, planName } = await survey(account, work);
  return names
    .filter((name) => roomFor(limits, name) === 0)
    .map((limit) => {
      const { used, max } = limits.find(({ name }) => name === limit) ?? {};
      const plan = planName === undefined ? "" : ` (plan ${planName})`;
      return { limit, why: `${used} of ${max} ${limit} are in use${plan}, and one more is required` };
    });
}

/** PROVIDER_LIMIT when something has no place. Nothing is removed to make any. */
export async function requireRoom(account: Account, names: readonly LimitName[], forWhat: string, work?: Work): Promise<void> {
  const [missing] = await missingRoom(account, names, work);
  if (missing === undefined) return;
  throw new LifeboatError("PROVIDER_LIMIT", `there is no room for ${forWhat}: ${missing.why}`, { details: { limit: missing.limit } });
}
