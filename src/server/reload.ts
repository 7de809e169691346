// Notices that the configuration file was changed, by editors, by a deployment tool or by a new link of a mounted volume, and says whether
// what it names can be read here.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Config } from "../config/load.ts";
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import { type Late, Secret } from "../core/secret.ts";

/**
 * Refuses a configuration that names what cannot be read here, such as a variable that is not set: SECRET_MISSING, SECRET_EXPOSED. What
 * the present one cannot read either does not keep other changes from counting.
 */
export function refuseUnreadable(next: Config, present: Config): void {
  const known = unreadable(present);
  for (const [name, error] of unreadable(next)) {
    if (known.has(name)) continue;
    const { code, message, details } = error;
    const later = details.variable === undefined ? "" : "; a variable that is set counts after a restart of the service";
    throw new LifeboatError(code, `${message}${later}`, { cause: error, details });
  }
}

/** Why values of the configuration cannot be read, by their place and the variable. */
function unreadable({ sources, notify, cutover, queue }: Config): ReadonlyMap<string, LifeboatError> {
  const found = new Map<string, LifeboatError>();
  const look = (place: string, late: Late<unknown> | undefined): void => {
    try {
      const value = late?.read();
      if (typeof value !== "object" || value === null) return;
      for (const [name, one] of Object.entries(value)) if (one instanceof Secret) look(`${place}.${name}`, one);
    } catch (error) {
      const failed = asLifeboatError(error);
      found.set(`${place} ${failed.details.variable ?? failed.code}`, failed);
    }
  };
  for (const [name, { own, scratch }] of Object.entries(sources)) {
    look(`sources.${name}`, own);
    look(`sources.${name}.scratch`, scratch.url);
  }
  for (const [name, { own }] of Object.entries(notify)) look(`notify.${name}`, own);
  for (const [name, { own }] of Object.entries(cutover)) look(`cutover.${name}`, own);
  look("queue", queue);
  return found;
}

const LOOK_EVERY_MS = 2000;

/** Looks at which the file may be away, because a program replaces it. */
const MOST_AWAY = 2;

/** Calls back after each change of the file's bytes, and when it is gone, until the signal aborts. One that is away for a moment is not gone. */
export async function watchFile(file: string, signal: AbortSignal, onChange: () => void): Promise<void> {
  let before = await digestOf(file);
  let away = 0;
  while (!signal.aborted) {
    await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    const now = await digestOf(file);
    away = now === undefined ? away + 1 : 0;
    if (signal.aborted || now === before || (away > 0 && away <= MOST_AWAY)) continue;
    before = now;
    onChange();
  }
}

async function digestOf(file: string): Promise<string | undefined> {
  try {
    return createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  } catch {
    return undefined;
  }
}
