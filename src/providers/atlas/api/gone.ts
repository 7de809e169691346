// What is not there: an answer in some places, an error in others.
import { isLifeboatError } from "../../../core/errors.ts";

/** Undefined where the very thing is gone. That the project is not there is another matter, and so is a 404 of somebody between. */
export async function orGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (
      isLifeboatError(error, "PROVIDER_NOT_FOUND") &&
      hasCode(error, /_NOT_FOUND$|_GONE$|^NOT_FOUND$|DOES_NOT_EXIST/, /^(GROUP|PROJECT)/)
    ) {
      return undefined;
    }
    throw error;
  }
}

/** Whether Atlas named the failure with a code like this. */
export function hasCode(error: unknown, like: RegExp, unlike?: RegExp): boolean {
  if (!isLifeboatError(error)) return false;
  const { errorCode } = error.details;
  return typeof errorCode === "string" && like.test(errorCode) && !(unlike?.test(errorCode) ?? false);
}
