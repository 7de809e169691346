// Values that speak of time and place: durations, schedules, connection strings.
import { pathToFileURL } from "node:url";
import { validateCron } from "../core/cron.ts";
import { parseDuration, parseKeep } from "../core/duration.ts";
import { LifeboatError } from "../core/errors.ts";
import { validatePattern } from "../core/names.ts";
import { Mismatch, type Scalar, type Type } from "../core/option.ts";
import { isTimeZone } from "../core/time-zone.ts";

const make = <T>(word: string, json: Scalar["json"], read: (raw: string, absolute: (path: string) => string) => T): Type<T> => ({
  shape: "scalar",
  word,
  json: { type: "string", ...json },
  read: (raw, absolute) => read(String(raw).trim(), absolute),
});

/** Reads with a function of the core, whose errors say well what is wrong. */
const reading =
  <T>(read: (raw: string) => T) =>
  (raw: string): T => {
    try {
      return read(raw);
    } catch (error) {
      if (error instanceof LifeboatError) throw new Mismatch(`is wrong: ${error.message}`, { cause: error });
      throw error;
    }
  };

const DURATION = "(\\d+(mo|[smhdwy])\\s*)+";

/** Milliseconds. */
export const duration = make("duration", { pattern: `^${DURATION}$` }, reading(parseDuration));

/** Seconds, as objectives are kept. */
export const durationInSeconds = make(
  "duration",
  { pattern: `^${DURATION}$` },
  reading((raw) => parseDuration(raw) / 1000),
);

/** Milliseconds, or `forever`. */
export const keep = make("duration or `forever`", { pattern: `^(${DURATION}|forever)$` }, reading(parseKeep));

/** Five fields of cron, in UTC; `0#1` is the first Sunday. */
export const cron = make("cron schedule", {}, reading(validateCron));

/** A zone by its IANA name. */
export const timeZone = make("time zone", {}, (raw) => {
  if (!isTimeZone(raw)) throw new Mismatch(`must be the name of a time zone, such as Europe/Berlin or UTC, not "${raw}"`);
  return raw;
});

/** A pattern of names, as `backup-{date}`. */
export const namePattern = make("name pattern", {}, reading(validatePattern));

/** A connection string of a database. Whether its kind fits the provider is the source's own rule. */
export const databaseUrl = make("connection string", {}, (raw) => {
  if (!/^(postgres(ql)?|mongodb(\+srv)?):\/\//.test(raw))
    throw new Mismatch("must be a connection string that starts with postgres://, mongodb:// or mongodb+srv://");
  return raw;
});

/** A pipeline of MongoDB, in extended JSON. */
export const pipeline = make("pipeline in JSON", {}, (raw) => {
  const stages = parsed(raw);
  const isStage = (stage: unknown): boolean => typeof stage === "object" && stage !== null && !Array.isArray(stage);
  if (!Array.isArray(stages) || !stages.every(isStage)) throw new Mismatch(`must be a pipeline in JSON, as '[{ "$match": { … } }]'`);
  return raw;
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where a repository is. */
export const repositoryUrl = make(
  "storage address",
  { examples: ["file:///var/lib/lifeboat", "s3://bucket/prefix?region=eu-central-1"] },
  (raw, absolute) => {
    if (!/^(file|s3):\/\/./.test(raw)) throw new Mismatch("must be an address that starts with file:// or s3://");
    // `file://./backups` is relative to the configuration file; URLs have no word for that.
    const relative = /^file:\/\/(\.\.?(?:\/.*)?)$/.exec(raw)?.[1];
    return relative === undefined ? raw : pathToFileURL(absolute(relative)).href;
  },
);

/** An age recipient. */
export const recipient = make("age recipient", { pattern: "^age1[02-9ac-hj-np-z]{58}$" }, (raw) => {
  if (/^AGE-SECRET-KEY/i.test(raw))
    throw new Mismatch("must be a recipient (age1…), never the identity itself: put that in a file and name it with identityFile");
  if (!/^age1[02-9ac-hj-np-z]{58}$/.test(raw))
    throw new Mismatch("must be an age recipient: age1 and 58 more characters (`lifeboat key show` prints it)");
  return raw;
});

/** An Ed25519 public key: base64 of its SPKI form, which begins alike for every key of this kind. */
export const publicKey = make("public key", { pattern: "^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$" }, (raw) => {
  if (/PRIVATE KEY/.test(raw))
    throw new Mismatch("must be a public key, never the private one: put that in a file and name it with keyFile");
  if (!/^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/.test(raw))
    throw new Mismatch("must be an Ed25519 public key: MCowBQYDK2VwAyEA and 44 more characters (`lifeboat key show` prints it)");
  return raw;
});
