// Removing what somebody else removed already.
import { isLifeboatError } from "../../../core/errors.ts";

/** What is gone already is what was wanted; undefined then. */
export async function orGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isLifeboatError(error, "PROVIDER_NOT_FOUND")) return undefined;
    throw error;
  }
}
