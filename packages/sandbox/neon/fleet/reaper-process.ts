// A process of its own that ends and removes a fleet when its standard input ends: on request, or because the sandbox died.
// One for all servers, so that a branch costs no process of its own; the servers themselves also end with the sandbox (Linux).
// It lives in a session of its own, so a terminal's Ctrl-C does not reach it.
import { createInterface } from "node:readline";
import { removePlace } from "./place.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});

const lines = createInterface({ input: process.stdin });
const directory = await new Promise<string | undefined>((resolve) => {
  lines.once("line", resolve);
  lines.once("close", () => resolve(undefined));
});
if (directory !== undefined) {
  await new Promise<void>((resolve) => lines.once("close", resolve));
  await removePlace(directory);
}
process.stdin.destroy();
