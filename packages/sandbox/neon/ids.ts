// Names and ids in the provider's form. The command line takes only three-part ids for ids: `br-cool-name-a1b2c3d4`.
import { randomBytes, randomInt } from "node:crypto";

const ADJECTIVES = [
  "autumn",
  "bold",
  "calm",
  "cool",
  "damp",
  "divine",
  "late",
  "little",
  "misty",
  "noisy",
  "plain",
  "quiet",
  "royal",
  "still",
];
const NOUNS = ["base", "bird", "brook", "cloud", "dawn", "field", "grove", "hall", "lake", "leaf", "moon", "river", "snow", "wind"];

const oneOf = (words: readonly string[]): string => words[randomInt(words.length)] as string;
const tail = (): string => randomBytes(5).toString("hex").slice(0, 8);

/** `br-…`, `ep-…`, `snap-…`: two words and eight characters. */
export function mintId(prefix: "br" | "ep" | "snap"): string {
  return `${prefix}-${oneOf(ADJECTIVES)}-${oneOf(NOUNS)}-a${tail().slice(1)}`;
}

export function mintProjectId(): string {
  return `${oneOf(ADJECTIVES)}-${oneOf(NOUNS)}-${String(randomInt(100_000_000)).padStart(8, "0")}`;
}

export function mintPassword(): string {
  return `npg_${randomBytes(12).toString("hex")}`;
}

export function mintKey(): string {
  return `napi_${randomBytes(32).toString("hex")}`;
}
