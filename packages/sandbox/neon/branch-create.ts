// Creates a branch: of the head or a past point of its parent, with computes where requested.
import { branchView, connectionViews } from "./branch-view.ts";
import { checkName, checkProtection, checkRoom, defaultOf, expiryOf } from "./branches.ts";
import { databaseView, repassword, roleView } from "./catalog.ts";
import { addEndpoint, checkEndpoint, endpointViews } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, type Json, optional } from "./emulator.ts";
import { invalid, refused } from "./errors.ts";
import { mintId, mintPassword } from "./ids.ts";
import { operationViews, queue, type Step } from "./operations.ts";
import { forkAt, pointOf, refuseLostHistory } from "./points.ts";
import { type Branch, databasesOf, rolesOf } from "./state.ts";

export async function createBranch(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const wanted: Json = optional(request.body, "branch", "object") ?? {};
  const endpoints = (Array.isArray(request.body.endpoints) ? request.body.endpoints : []) as Json[];
  const parentId = optional(wanted, "parent_id", "string");
  const parent = parentId === undefined ? defaultOf(project) : emulator.branch(project, parentId);
  const id = mintId("br");
  const name = optional(wanted, "name", "string") ?? id;
  const initSource = optional(wanted, "init_source", "string") ?? "parent-data";
  if (!["parent-data", "parent-schema", "schema-only"].includes(initSource)) throw invalid(`init_source ${initSource} is not supported`);
  checkName(project, name);
  checkRoom(emulator, project, { root: initSource === "schema-only" });
  if (endpoints.filter((each) => each.type === "read_write").length > 1) throw refused("a branch has one read-write endpoint");
  for (const each of endpoints) checkEndpoint(emulator, project, undefined, each);
  if (parent.expiresAt !== undefined) throw refused("a branch with an expiration date cannot have children");
  const isProtected = optional(wanted, "protected", "boolean") === true;
  if (isProtected) checkProtection(emulator, project);
  const expires = optional(wanted, "expires_at", "string");
  const expiresAt = expires === undefined ? undefined : expiryOf(emulator, expires);
  if (isProtected && expiresAt !== undefined) throw refused("a protected branch cannot expire");
  const point = pointOf(optional(wanted, "parent_timestamp", "string"), optional(wanted, "parent_lsn", "string"), "parent_timestamp");
  refuseLostHistory(parent, point);

  const { line, lsn, at, catalog } = await forkAt(emulator, project, parent, point);
  const now = emulator.time.now();
  const branch: Branch = {
    id,
    name,
    parentId: initSource === "schema-only" ? undefined : parent.id,
    parentLsn: lsn,
    parentTimestamp: at,
    line,
    default: false,
    protected: isProtected,
    original: false,
    createdAt: now,
    updatedAt: now,
    expiresAt,
    ttlSeconds: expiresAt === undefined ? undefined : Math.round((expiresAt.getTime() - now.getTime()) / 1000),
    initSource,
    annotations: annotationsOf(request.body),
    catalog: parent.protected ? await repassword(emulator, line, catalog, mintPassword) : catalog,
    schedule: [],
    scheduledUpTo: now,
    sizeBytes: parent.sizeBytes,
  };
  if (initSource !== "parent-data") await empty(emulator, branch);
  project.branches.set(id, branch);
  const made = [];
  for (const each of endpoints) made.push(await addEndpoint(emulator, project, branch, each));
  const steps: Step[] = [
    { action: "create_branch", branchId: id },
    ...made.map((endpoint): Step => ({ action: "start_compute", branchId: id, endpointId: endpoint.id })),
  ];
  const operations = queue(emulator, project, steps, request.stuck);
  branch.pending = operations[0];
  for (const [index, endpoint] of made.entries()) endpoint.pending = operations[index + 1];
  const writer = made.find((endpoint) => endpoint.type === "read_write") ?? made[0];
  return {
    status: 201,
    body: {
      branch: branchView(emulator, project, branch),
      endpoints: endpointViews(emulator, project, made),
      operations: operationViews(emulator, project, operations),
      roles: rolesOf(branch).map((role) => roleView(branch, role)),
      databases: databasesOf(branch).map((database) => databaseView(branch, database)),
      ...(writer === undefined ? {} : { connection_uris: connectionViews(branch, writer) }),
    },
  };
}

function annotationsOf(body: Json): Branch["annotations"] {
  const given = optional(body, "annotation_value", "object");
  if (given === undefined) return undefined;
  if (!Object.values(given).every((value) => typeof value === "string")) throw invalid("annotation_value must hold strings");
  return given as Record<string, string>;
}

/** Empties the tables of a new branch. */
async function empty(emulator: Emulator, branch: Branch): Promise<void> {
  const truncate = `DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    LOOP EXECUTE format('TRUNCATE %s CASCADE', t); END LOOP; END $$`;
  for (const database of databasesOf(branch)) await emulator.fleet.execute(branch.line, database.name, truncate);
  await emulator.fleet.stop(branch.line);
}
