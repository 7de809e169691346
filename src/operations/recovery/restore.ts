// Restore: a recovery target becomes something that people use: a database, chosen tables, a directory or scratch server with the whole
// cluster, a branch or cluster at the provider, or production itself. Which route it comes by is decided in one place, `resolve`.
import { LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";
import { isPhysicalPlace, type PhysicalRequest, planPhysical, restorePhysical } from "./cluster-restore.ts";
import type { Finding } from "./conclude.ts";
import { type DatabaseRequest, planDatabaseRestore } from "./database-plan.ts";
import { databaseRestore } from "./database-restore.ts";
import type { PastTarget } from "./history.ts";
import { type BranchRestoreRequest, planBranchRestore } from "./provider-plan.ts";
import { assertNotDoneAlready, branchRestore } from "./provider-restore.ts";
import { planTablesRestore, type TablesRestoreRequest, tablesRestore } from "./provider-tables.ts";
import { type Resolved, resolve } from "./resolve.ts";

export interface RestoreRequest
  extends Omit<DatabaseRequest, "into">,
    Omit<BranchRestoreRequest, "into">,
    Pick<PhysicalRequest, "start" | "onScratch"> {
  readonly to: RecoveryTarget;
  /** A database name or a URL, a directory, `scratch`, or a place at the provider, which has a name by default. */
  readonly into?: string | undefined;
  /** A restore point that no trusted key has signed will do. */
  readonly unsigned?: boolean | undefined;
}

export interface Restored extends Finding {
  /** How the restored place is reached. */
  readonly connection?: Connection | undefined;
  /** The place at the provider. */
  readonly branch?: { readonly id: string; readonly name: string } | undefined;
  /** What was there before; it goes some days after `accept` of this job. */
  readonly kept?: { readonly id: string; readonly name: string } | undefined;
  /** Chosen tables, as they are named now. */
  readonly tables?: readonly string[] | undefined;
  /** How a restored directory is started, and what to see to before. */
  readonly next?: readonly string[] | undefined;
  readonly warnings: readonly string[];
}

type Destination =
  | { readonly kind: "cluster"; readonly request: PhysicalRequest }
  | { readonly kind: "place"; readonly past: PastTarget; readonly request: BranchRestoreRequest }
  | { readonly kind: "tables"; readonly past: PastTarget; readonly request: TablesRestoreRequest }
  | { readonly kind: "database"; readonly resolved: Resolved; readonly request: DatabaseRequest };

/** What a restore would do, and why it would refuse. Nothing is touched. */
export async function planRestore(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Plan> {
  const to = await destinationOf(context, source, request, watch);
  if (to.kind === "cluster") return planPhysical(context, source, to.request, watch);
  if (to.kind === "place") return planBranchRestore(context, source, to.past, to.request, watch);
  if (to.kind === "tables") return planTablesRestore(context, source, to.past, to.request, watch);
  return planDatabaseRestore(context, source, to.request, to.resolved, watch);
}

/** Restores, proves what came, and files evidence. */
export async function restore(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Restored> {
  if (request.inPlace === true) await assertNotDoneAlready(context, source, watch);
  const to = await destinationOf(context, source, request, watch);
  if (to.kind === "cluster") return { ...(await restorePhysical(context, source, to.request, watch)), warnings: [] };
  if (to.kind === "place") return branchRestore(context, source, to.past, to.request, watch);
  if (to.kind === "tables") {
    const { restored, ...finding } = await tablesRestore(context, source, to.past, to.request, watch);
    return { ...finding, connection: undefined, tables: restored };
  }
  const { kept, ...finding } = await databaseRestore(context, source, to.request, to.resolved, watch);
  return { ...finding, kept: kept === undefined ? undefined : { id: kept, name: kept }, warnings: [] };
}

/** Where it goes, as far as the route allows. USAGE for options that mean nothing there; RESTORE_TARGET_INVALID, CAPABILITY_MISSING. */
async function destinationOf(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Destination> {
  const { into, inPlace, tables, dataOnly } = request;
  if (into !== undefined && isPhysicalPlace(into) && (source.managed !== true || into.includes("/")))
    return wholeCluster(source, request, into);
  if (inPlace && into !== undefined) throw new LifeboatError("USAGE", "--in-place and --into exclude each other");
  if (inPlace && (tables !== undefined || dataOnly))
    throw new LifeboatError("USAGE", "--in-place sets everything back: --tables and --data-only have no meaning beside it");
  if (into === undefined && inPlace !== true && source.managed !== true) throw homeless(source, tables);
  const resolved = await resolve(context, source, request.to, watch, request);
  const { route, inexact } = resolved;
  if (route.kind === "provider") {
    const { past } = route;
    if (isTablesAtProvider(source, request)) return { kind: "tables", past, request: { ...request, tables: tables ?? [] } };
    if (isPlaceAtProvider(source, request)) return { kind: "place", past, request };
  } else if (inPlace) throw notInPlace(source, resolved);
  if (inexact !== undefined && request.nearest !== true && into === undefined) throw inexact;
  if (into === undefined) throw homeless(source, tables);
  return { kind: "database", resolved, request: { ...request, into } };
}

function homeless({ name }: Source, tables: readonly string[] | undefined): LifeboatError {
  const what = tables === undefined ? "where shall it be restored to?" : `which database shall ${tables.join(", ")} go into?`;
  const hint = `add --into NAME, a database on the server of ${name}, or --into URL`;
  return new LifeboatError("USAGE", `--into is missing: ${what}`, { hint });
}

function wholeCluster(
  source: Source,
  { tables, dataOnly, replace, inPlace, to, start, onScratch }: RestoreRequest,
  into: string,
): Destination {
  if (source.engine.physical === undefined || source.managed === true) {
    const why = source.engine.physical === undefined ? "is not one" : "gives no base backups";
    throw new LifeboatError("RESTORE_TARGET_INVALID", `${into} takes a whole PostgreSQL server, and ${source.name} ${why}`, {
      hint: "give --into the name of a new database, or the URL of a server",
    });
  }
  if (tables !== undefined || dataOnly || replace || inPlace) {
    throw new LifeboatError(
      "USAGE",
      "--tables, --data-only, --replace and --in-place are for databases: a directory takes the whole cluster",
      {
        hint: "give --into the name of a database: the tables come from the same instant",
      },
    );
  }
  return { kind: "cluster", request: { to, into, start, onScratch } };
}

/** Chosen tables that the provider itself brings back into the running source. */
const isTablesAtProvider = ({ provider }: Source, { tables, dataOnly, into }: RestoreRequest): boolean =>
  tables !== undefined && dataOnly !== true && into === undefined && provider.history?.tables !== undefined;

/** A place of the provider's own. One that is there is restored over only where the provider can; else it is a database. */
const isPlaceAtProvider = ({ provider }: Source, { tables, dataOnly, into, replace }: RestoreRequest): boolean =>
  tables === undefined && dataOnly !== true && into?.includes("://") !== true && (replace !== true || provider.history?.over !== undefined);

const notInPlace = (source: Source, { told }: Resolved): LifeboatError =>
  new LifeboatError(
    "CAPABILITY_MISSING",
    `${source.name} cannot be set back in place: its provider does not hold that, but ${told.what} does`,
    {
      hint: `run \`lifeboat list ${source.name}\` to see what it holds, or restore into a new place with --into`,
    },
  );
