// The version of this Lifeboat, from the package that these files belong to.
import { readFileSync } from "node:fs";

/** As `0.1.0`. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}
