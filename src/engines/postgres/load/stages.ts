// Who runs which entries of an archive, and in what order, where a superuser's connection loads it.
//
// Creating definitions runs code of theirs already: the server computes constant parts of generated columns and of partition keys, and
// checks initial values of aggregates and bounds of partitions against domains. So the loader does all that an ordinary role may do; the
// administrator runs only kinds that none of those happen in.
import type { TocEntry } from "../archive/contents.ts";
import { bare, isSingle } from "./statement.ts";

export interface Batch {
  readonly as: "loader" | "administrator";
  readonly entries: readonly TocEntry[];
}

export interface Stages {
  /** Definitions, rows and indexes in the archive's order. Almost always one batch. */
  readonly batches: readonly Batch[];
  /** The administrator's, beside the last batch: large objects run no code, and come with their owners. */
  readonly largeObjects: readonly TocEntry[];
  /** The administrator's, when every object has its owner: privileges, comments, publications, subscriptions. */
  readonly closing: readonly TocEntry[];
  /** The loader's, acting for their owners: materialized views that are filled with their owners' privileges. */
  readonly refresh: readonly TocEntry[];
  /** The administrator's, at the very end: event triggers, and the privileges of what the loader has owned until now. */
  readonly last: readonly TocEntry[];
  /** Objects that stay the loader's until they are filled. */
  readonly heldBack: readonly TocEntry[];
}

/** What the server says about itself. */
export interface ServerFacts {
  isSuperuser(role: string): boolean;
  /** Procedural languages that an ordinary role may use. */
  readonly trustedLanguages: ReadonlySet<string>;
  /** Settings that only a superuser may attach to a function. */
  readonly superuserSettings: ReadonlySet<string>;
}

const ADMINISTRATORS = new Set([
  ...["PROCEDURAL LANGUAGE", "SHELL TYPE", "ACCESS METHOD", "OPERATOR CLASS", "OPERATOR FAMILY", "CAST", "TRANSFORM"],
  ...["TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING"],
]);
export const LARGE_OBJECTS = new Set(["BLOB", "BLOB METADATA", "BLOBS"]);
const CLOSING = new Set([
  ...["ACL", "DEFAULT ACL", "SECURITY LABEL", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA"],
  ...["SUBSCRIPTION", "SUBSCRIPTION TABLE"],
]);

const EXTENSION = /^CREATE EXTENSION IF NOT EXISTS (?:\w+|"") WITH SCHEMA (?:\w+|"");\s*$/;

/** Extensions and their schemas: before anything else, so that no object of the source's is there when their scripts run. */
export function setupOf(entries: readonly TocEntry[]): TocEntry[] {
  const extensions = entries.filter(({ kind, definition }) => kind === "EXTENSION" && EXTENSION.test(bare(definition)));
  const schemas = new Set(extensions.map(({ definition }) => / WITH SCHEMA (.*);\s*$/.exec(definition)?.[1]));
  return entries.filter(
    (entry) =>
      extensions.includes(entry) ||
      (entry.kind === "SCHEMA" && isSingle(entry.definition) && schemas.has(/^CREATE SCHEMA (.*);\s*$/.exec(entry.definition)?.[1])),
  );
}

/** `owners`: each object gets the owner that the archive names. */
export function stagesOf(entries: readonly TocEntry[], owners: boolean, facts: ServerFacts): Stages {
  const shells = new Set(entries.filter(({ kind }) => kind === "SHELL TYPE").map(({ schema, name }) => `${schema}.${name}`));
  const filled = owners ? filledByOwners(entries, facts) : { late: new Set<number>(), back: new Set<number>() };
  const stages = { largeObjects: [] as TocEntry[], closing: [] as TocEntry[], refresh: [] as TocEntry[], last: [] as TocEntry[] };
  const batches: { as: Batch["as"]; entries: TocEntry[] }[] = [];
  const byLoader = new Set<number>();
  const lastIds = new Set<number>();
  const add = (as: Batch["as"], entry: TocEntry): void => {
    const batch = batches.at(-1);
    if (as === "loader") byLoader.add(entry.dumpId);
    if (batch?.as === as) batch.entries.push(entry);
    else batches.push({ as, entries: [entry] });
  };
  for (const entry of entries) {
    const { kind, dumpId } = entry;
    const attached = kind === "COMMENT" || kind === "ACL" || kind === "SECURITY LABEL";
    if (
      kind === "EVENT TRIGGER" ||
      (attached && entry.dependencies.some((id) => lastIds.has(id) || (kind === "ACL" && filled.back.has(id))))
    ) {
      stages.last.push(entry);
      lastIds.add(dumpId);
    } else if (LARGE_OBJECTS.has(kind)) stages.largeObjects.push(entry);
    else if (CLOSING.has(kind)) stages.closing.push(entry);
    else if (kind === "COMMENT") {
      // Of the loader's objects the loader's, for workers of its own run; everything else is the administrator's to describe.
      if (entry.dependencies.some((id) => byLoader.has(id))) add("loader", entry);
      else stages.closing.push(entry);
    } else if (filled.late.has(dumpId)) stages.refresh.push(entry);
    else add(needsSuperuser(entry, shells, facts) ? "administrator" : "loader", entry);
  }
  return { ...stages, batches, heldBack: entries.filter(({ dumpId }) => filled.back.has(dumpId)) };
}

/**
 * A materialized view is filled with the rights of its owner, who sees what policies and privileges let them see. `late`: fillings that
 * wait until every object has its owner. `back`: views of a superuser's that wait for such a one: filled as the loader's own.
 */
function filledByOwners(entries: readonly TocEntry[], facts: ServerFacts) {
  const late = new Set<number>();
  const names = new Set<string>();
  for (const { kind, dumpId, owner, dependencies, schema, name } of entries) {
    if (kind !== "MATERIALIZED VIEW DATA") continue;
    const superuser = facts.isSuperuser(owner);
    if (superuser && !dependencies.some((id) => late.has(id))) continue;
    late.add(dumpId);
    if (superuser) names.add(`${schema}.${name}`);
  }
  const views = entries.filter(({ kind, schema, name }) => kind === "MATERIALIZED VIEW" && names.has(`${schema}.${name}`));
  return { late, back: new Set(views.map(({ dumpId }) => dumpId)) };
}

function needsSuperuser(entry: TocEntry, shells: ReadonlySet<string>, facts: ServerFacts): boolean {
  const { kind, schema, name } = entry;
  if (ADMINISTRATORS.has(kind)) return true;
  // Enumerations, composites and ranges say AS; base types and shells do not.
  if (kind === "TYPE") return shells.has(`${schema}.${name}`) || !/^CREATE TYPE [^\s;]+ AS\b/.test(bare(entry.definition));
  if (kind === "FUNCTION" || kind === "PROCEDURE") return isUnsafeRoutine(bare(entry.definition), facts);
  if (kind === "AGGREGATE") return /\bM?STYPE = internal\b/.test(bare(entry.definition));
  // Options of a foreign table may be a superuser's to give; where columns are computed, the loader has to do without them.
  return kind === "FOREIGN TABLE" && !/\bGENERATED ALWAYS AS \(/.test(bare(entry.definition));
}

/** Creating a routine never runs it, so a wrong guess costs nothing but rights that the loader would lack. */
function isUnsafeRoutine(definition: string, { trustedLanguages, superuserSettings }: ServerFacts): boolean {
  const language = /\bLANGUAGE (\w+|"")/.exec(definition)?.[1] ?? "sql";
  const settings = [...definition.matchAll(/\n {4}SET (\S+) TO /g)].map(([, setting = ""]) => setting.toLowerCase());
  return (
    !trustedLanguages.has(language) || /\b(?:LEAKPROOF|SUPPORT)\b/.test(definition) || settings.some((one) => superuserSettings.has(one))
  );
}
