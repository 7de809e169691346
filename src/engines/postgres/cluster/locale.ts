// The locale of a cluster where none is given: the same on every machine, as far as possible.
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";

let ctype: Promise<string> | undefined;

/**
 * Strings sort by their bytes. What is a letter, and its upper case, follow Unicode where the system has such a locale, as
 * on the servers that data comes from: in plain `C`, lower('É') is 'É', and generated columns would come out different.
 */
export async function plainLocale(): Promise<{ locale: string; ctype: string }> {
  ctype ??= unicodeLocale();
  return { locale: "C", ctype: await ctype };
}

async function unicodeLocale(): Promise<string> {
  const { stdout } = await runProgram("locale", ["-a"], { env: baseEnvironment(), timeoutMs: 10_000 });
  const names = stdout.split("\n").map((name) => name.trim());
  return names.find((name) => /^C\.utf-?8$/i.test(name)) ?? names.find((name) => /^en_US\.utf-?8$/i.test(name)) ?? "C";
}
