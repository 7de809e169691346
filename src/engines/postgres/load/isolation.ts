// What is left out of a load because of what it would do by itself: connect, run programs, or fire at every session.
import type { Omission } from "../../../core/fingerprint.ts";
import type { Isolation } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import { ROWS_OF_TABLE, UNFILLED } from "../fingerprint/left-out.ts";
import { bare } from "./statement.ts";

export interface SetAside {
  readonly kept: readonly TocEntry[];
  readonly leftOut: readonly Omission[];
  /** Code of what was kept may have called what was left out. */
  readonly uncertain: boolean;
}

/** Extensions with functions that open connections, run programs, read files or start jobs. Those that end in `_fdw` count without being named. */
const REACHING = new Set([
  ...["dblink", "http", "pg_net", "pgsql_http", "pg_cron", "pgagent", "pg_timetable", "pg_background", "pg_task", "adminpack", "orafce"],
  ...[
    "aws_s3",
    "aws_lambda",
    "aws_commons",
    "azure_storage",
    "azure_ai",
    "wrappers",
    "multicorn",
    "plproxy",
    "pglogical",
    "pgq",
    "pg_amqp",
  ],
  ...["plpython3u", "plpython2u", "plpythonu", "plperlu", "pltclu", "plsh", "plr", "pljava", "pgtap_http", "timescaledb", "pg_partman"],
]);
const FOREIGN = new Set(["FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING", "FOREIGN TABLE"]);
const UNTRUSTED = new Set(["c", "internal"]);
/** What has no name of its own in a report. */
const ATTACHED = new Set([
  ...["ACL", "COMMENT", "SECURITY LABEL", "TABLE DATA", "MATERIALIZED VIEW DATA", "SEQUENCE SET", "SEQUENCE OWNED BY", "DEFAULT"],
  ...["SUBSCRIPTION TABLE", "STATISTICS DATA", "INDEX ATTACH", "TABLE ATTACH", "ROW SECURITY"],
]);

const NO_REPLICATION = "scratch takes part in no replication";
const NO_TRIGGERS = "no event trigger of the source's fires in scratch";
const NO_ISOLATION = "this scratch server is not isolated (scratch.isolation: none), and it could reach out of it";
const AT_LOGIN = "it would run at every login, with the rights of the one who logs in; create it when the restored database is accepted";

/** `apart`: a role of its own loads, so that what runs at every login must not be there while others still do. */
export function setAside(entries: readonly TocEntry[], isolation: Isolation | undefined, apart: boolean): SetAside {
  const omitted = new Set<number>();
  const leftOut: Omission[] = [];
  let uncertain = false;
  const kept = entries.filter((entry) => {
    const own = reasonFor(entry, isolation, apart);
    const reason = own ?? (entry.dependencies.some((id) => omitted.has(id)) ? "it depends on what was left out" : undefined);
    if (reason === undefined) return true;
    omitted.add(entry.dumpId);
    uncertain ||= reason === NO_ISOLATION;
    if (!ATTACHED.has(entry.kind)) leftOut.push({ kind: entry.kind.toLowerCase(), object: nameOf(entry), reason });
    return false;
  });
  return { kept, leftOut, uncertain };
}

const nameOf = ({ schema, name }: TocEntry): string => (schema === "" ? name : `${schema}.${name}`);

function reasonFor(entry: TocEntry, isolation: Isolation | undefined, apart: boolean): string | undefined {
  const { kind } = entry;
  if (kind === "EVENT TRIGGER") {
    if (isolation !== undefined) return NO_TRIGGERS;
    return apart && /\bON login\b/i.test(bare(entry.definition)) ? AT_LOGIN : undefined;
  }
  if (isolation === undefined) return undefined;
  if (kind === "SUBSCRIPTION") return NO_REPLICATION;
  return isolation === "none" && reaches(entry) ? NO_ISOLATION : undefined;
}

function reaches({ kind, name, definition }: TocEntry): boolean {
  if (FOREIGN.has(kind)) return true;
  if (kind === "EXTENSION") return REACHING.has(name) || /_fdw$/.test(name);
  if (kind === "PROCEDURAL LANGUAGE") return !/\bTRUSTED\b/.test(bare(definition));
  if (kind !== "FUNCTION" && kind !== "PROCEDURE") return false;
  const language = /\bLANGUAGE (\w+|"")/.exec(bare(definition))?.[1] ?? "sql";
  return UNTRUSTED.has(language) || language === '""' || /(?<!\d)u$/.test(language) || REACHING.has(language);
}

/** How extensions say that they reached no other server, or had no password or user mapping for it. */
const REACHED_NOTHING =
  /could not (?:establish connection|connect|resolve|translate host)|failed to (?:connect|resolve)|connection (?:refused|timed out|cannot be established)|network is unreachable|user mapping not found|password[^:]* (?:is )?required|permission denied for foreign server/i;

/** The words of a report for an entry that could not be loaded. */
const PREVENTED: Readonly<Record<string, string>> = { "MATERIALIZED VIEW DATA": UNFILLED, "TABLE DATA": ROWS_OF_TABLE };

/**
 * What a load could not bring through no fault of the backup: a materialized view whose refresh fails, of which a dump holds no row, and in
 * scratch an index or constraint whose code reaches another server, which code in scratch never does.
 */
export class Prevented {
  readonly #omissions = new Map<number, Omission>();
  readonly #isolation: Isolation | undefined;

  constructor(isolation: Isolation | undefined) {
    this.#isolation = isolation;
  }

  get omissions(): Omission[] {
    return [...this.#omissions.values()];
  }

  has({ dumpId }: TocEntry): boolean {
    return this.#omissions.has(dumpId);
  }

  /** Of what is loaded once more. */
  forget(entries: readonly TocEntry[]): void {
    for (const { dumpId } of entries) this.#omissions.delete(dumpId);
  }

  excuses(entry: TocEntry, reason: string): boolean {
    const { kind, dumpId, dependencies } = entry;
    if (!(kind === "MATERIALIZED VIEW DATA" || (this.#isolation !== undefined && this.#isOfReaching(dependencies, reason)))) return false;
    if (this.#omissions.has(dumpId)) return true;
    this.#omissions.set(dumpId, {
      kind: PREVENTED[kind] ?? kind.toLowerCase(),
      object: nameOf(entry),
      reason: reason.replace(/^COPY failed.*?ERROR: +/, ""),
    });
    return true;
  }

  #isOfReaching(dependencies: readonly number[], reason: string): boolean {
    return REACHED_NOTHING.test(reason) || dependencies.some((id) => this.#omissions.has(id));
  }
}
