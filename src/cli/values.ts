// Values of the command line, read by the same types as those of the configuration.
import { resolve } from "node:path";
import type { LifeboatError } from "../core/errors.ts";
import { Mismatch, type Shape } from "../core/option.ts";

/** What was typed, as its type reads it. Lists are written `A,B`, or given several times. `refuse` makes the error from the rest of the sentence. */
export function readCliValue(shape: Shape, raw: unknown, refuse: (why: string) => LifeboatError): unknown {
  if (raw === undefined) return undefined;
  if (shape.shape === "list") {
    const words = (Array.isArray(raw) ? raw : [raw]).flatMap((word) => splitList(String(word)));
    return words.map((word) => readCliValue(shape.item, word, refuse));
  }
  if (shape.shape !== "scalar") throw new TypeError("options and arguments are single values or lists");
  try {
    return shape.read(raw as string | number | boolean, (path) => resolve(path));
  } catch (error) {
    if (error instanceof Mismatch) throw refuse(error.message);
    throw error;
  }
}

/** At commas, but not at those inside of double quotes: `a,"odd,name".t`. */
function splitList(text: string): string[] {
  return (text.match(/(?:"[^"]*"|[^",])+/g) ?? []).map((word) => word.trim()).filter((word) => word !== "");
}
