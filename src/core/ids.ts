// Ids of restore points and jobs. They sort by time, are quick to type, and can be abbreviated to their first characters.
import { LifeboatError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/** Crockford's base 32 in lower case: digits and letters in ASCII order, without i, l, o and u. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** 45 bits of milliseconds since 1970: enough until the year 3084. */
const TIME_LENGTH = 9;
const CHANCE_LENGTH = 5;

export const ID_LENGTH = TIME_LENGTH + CHANCE_LENGTH;
/** The number of random bytes in an id. */
export const ID_RANDOM_BYTES = CHANCE_LENGTH;

/** Makes an id from an instant (to the millisecond) and five or more random bytes. Ids sort by instant, as plain text. */
export function makeId(at: Date, random: Uint8Array): string {
  let time = at.getTime();
  if (!(time >= 0 && time < 32 ** TIME_LENGTH))
    throw new LifeboatError("BUG", "no id can be made for an instant before 1970 or after 3084");
  if (random.length < CHANCE_LENGTH) throw new LifeboatError("BUG", `an id needs ${CHANCE_LENGTH} random bytes`);
  let text = "";
  for (let i = 0; i < TIME_LENGTH; i++) {
    text = ALPHABET.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  for (const byte of random.subarray(0, CHANCE_LENGTH)) text += ALPHABET.charAt(byte % 32);
  return text;
}

export function isId(text: string): boolean {
  return text.length === ID_LENGTH && [...text].every((character) => ALPHABET.includes(character));
}

/** Returns the instant at which an id was made. The text must be an id. */
export function timeOfId(id: string): Date {
  let time = 0;
  for (const character of id.slice(0, TIME_LENGTH)) time = time * 32 + ALPHABET.indexOf(character);
  return new Date(time);
}

/** Normalises a typed id: lower case, o to 0, i and l to 1. */
const normalise = (typed: string): string => typed.trim().toLowerCase().replaceAll("o", "0").replace(/[il]/g, "1");

/**
 * Returns the one id that equals or begins with the typed text.
 * Throws POINT_UNKNOWN when there is none (or nothing was typed), POINT_AMBIGUOUS when there are several.
 */
export function resolveId(typed: string, ids: Iterable<string>): string {
  const prefix = normalise(typed);
  const all = [...new Set(ids)];
  const found = prefix === "" ? [] : all.filter((id) => id.startsWith(prefix));
  const exact = found.find((id) => id === prefix);
  const [only, ...others] = exact === undefined ? found : [exact];
  if (only === undefined) throw new LifeboatError("POINT_UNKNOWN", `no restore point begins with "${typed}"${didYouMean(prefix, all)}`);
  if (others.length === 0) return only;
  const shown = found.sort().slice(0, 5).join(", ");
  const more = found.length > 5 ? ` and ${found.length - 5} more` : "";
  throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} restore points begin with "${typed}": ${shown}${more}`, {
    details: { ids: found },
  });
}
