// The emulators, loaded only when `demo` or `sandbox` runs: the published package does not contain them.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LifeboatError } from "../../core/errors.ts";

export type Sandbox = typeof import("@lifeboat/sandbox");

const inCheckout = fileURLToPath(new URL("../../../bin/lifeboat", import.meta.url));

/** The program as a user types it: in a checkout it is not on the PATH. */
export const PROGRAM = existsSync(inCheckout) ? inCheckout : "lifeboat";

/** Loads the package. TOOL_MISSING where it is not installed. */
export async function loadSandbox(): Promise<Sandbox> {
  try {
    return await import("@lifeboat/sandbox");
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND")) throw cause;
    throw new LifeboatError("TOOL_MISSING", "this command needs the emulators, which the published package does not contain", {
      hint: "in a clone of Lifeboat's source code, run `npm ci && npm run demo`",
    });
  }
}
