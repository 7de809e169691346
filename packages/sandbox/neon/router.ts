// Which handler answers which request. One table; a mutation of a project is refused while another is running there.
import { consumption, createKey, getAuth, getUser, listKeys, listOrganizations, listRegions, revokeKey } from "./account.ts";
import { createBranch } from "./branch-create.ts";
import { countBranches, deleteBranch, getBranch, listBranches, setDefault, updateBranch } from "./branches.ts";
import { getConnectionUri } from "./connection.ts";
import { createDatabase, deleteDatabase, getDatabase, listDatabases, updateDatabase } from "./databases.ts";
import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import {
  createEndpoint,
  deleteEndpoint,
  getEndpoint,
  listEndpoints,
  restartEndpoint,
  startEndpoint,
  suspendEndpoint,
  updateEndpoint,
} from "./endpoints.ts";
import { notFound } from "./errors.ts";
import { getOperation, listOperations, mutate } from "./operations.ts";
import { createProject, deleteProject, getProject, listProjects, listShared, recoverProject, updateProject } from "./projects.ts";
import { restoreBranch } from "./restore.ts";
import { createRole, deleteRole, getRole, listRoles, resetPassword, revealPassword } from "./roles.ts";
import { getSchedule, putSchedule } from "./schedules.ts";
import { getSchema } from "./schema.ts";
import { finalizeRestore, restoreSnapshot } from "./snapshot-restore.ts";
import { createSnapshot, deleteSnapshot, listSnapshots, updateSnapshot } from "./snapshots.ts";

type Handler = (emulator: Emulator, request: ApiRequest) => Answer | Promise<Answer>;

const P = "/projects/:project";
const B = `${P}/branches/:branch`;
const E = `${P}/endpoints/:endpoint`;

/** Read only, or with a lock of its own. */
const PLAIN: readonly (readonly [string, string, Handler])[] = [
  ["GET", "/auth", getAuth],
  ["GET", "/users/me", getUser],
  ["GET", "/users/me/organizations", listOrganizations],
  ["GET", "/regions", listRegions],
  ["GET", "/api_keys", listKeys],
  ["POST", "/api_keys", createKey],
  ["DELETE", "/api_keys/:key", revokeKey],
  ["GET", "/organizations/:org/api_keys", listKeys],
  ["POST", "/organizations/:org/api_keys", createKey],
  ["DELETE", "/organizations/:org/api_keys/:key", revokeKey],
  ["GET", "/consumption_history/v2/:kind", consumption],
  ["GET", "/projects", listProjects],
  ["POST", "/projects", createProject],
  ["GET", "/projects/shared", listShared],
  ["GET", P, getProject],
  ["POST", `${P}/recover`, recoverProject],
  ["GET", `${P}/connection_uri`, getConnectionUri],
  ["GET", `${P}/operations`, listOperations],
  ["GET", `${P}/operations/:operation`, getOperation],
  ["GET", `${P}/snapshots`, listSnapshots],
  ["GET", `${P}/endpoints`, listEndpoints],
  ["GET", E, getEndpoint],
  ["GET", `${P}/branches`, listBranches],
  ["GET", `${P}/branches/count`, countBranches],
  ["GET", B, getBranch],
  ["GET", `${B}/endpoints`, listEndpoints],
  ["GET", `${B}/roles`, listRoles],
  ["GET", `${B}/roles/:role`, getRole],
  ["GET", `${B}/roles/:role/reveal_password`, revealPassword],
  ["GET", `${B}/databases`, listDatabases],
  ["GET", `${B}/databases/:database`, getDatabase],
  ["GET", `${B}/backup_schedule`, getSchedule],
  ["GET", `${B}/schema`, getSchema],
];

const MUTATIONS: readonly (readonly [string, string, Handler])[] = [
  ["PATCH", P, updateProject],
  ["DELETE", P, deleteProject],
  ["POST", `${P}/branches`, createBranch],
  ["PATCH", B, updateBranch],
  ["DELETE", B, deleteBranch],
  ["POST", `${B}/set_as_default`, setDefault],
  ["POST", `${B}/restore`, restoreBranch],
  ["POST", `${B}/finalize_restore`, finalizeRestore],
  ["POST", `${B}/snapshot`, createSnapshot],
  ["PUT", `${B}/backup_schedule`, putSchedule],
  ["POST", `${B}/roles`, createRole],
  ["DELETE", `${B}/roles/:role`, deleteRole],
  ["POST", `${B}/roles/:role/reset_password`, resetPassword],
  ["POST", `${B}/databases`, createDatabase],
  ["PATCH", `${B}/databases/:database`, updateDatabase],
  ["DELETE", `${B}/databases/:database`, deleteDatabase],
  ["PATCH", `${P}/snapshots/:snapshot`, updateSnapshot],
  ["DELETE", `${P}/snapshots/:snapshot`, deleteSnapshot],
  ["POST", `${P}/snapshots/:snapshot/restore`, restoreSnapshot],
  ["POST", `${P}/endpoints`, createEndpoint],
  ["PATCH", E, updateEndpoint],
  ["DELETE", E, deleteEndpoint],
  ["POST", `${E}/start`, startEndpoint],
  ["POST", `${E}/suspend`, suspendEndpoint],
  ["POST", `${E}/restart`, restartEndpoint],
];

interface Route {
  readonly method: string;
  readonly words: readonly string[];
  readonly handler: Handler;
}

const locking =
  (handler: Handler): Handler =>
  (emulator, request) =>
    mutate(emulator, emulator.project(request), () => handler(emulator, request));

const route = (method: string, pattern: string, handler: Handler): Route => ({ method, words: pattern.split("/").slice(1), handler });

const ROUTES: readonly Route[] = [
  ...PLAIN.map(([method, pattern, handler]) => route(method, pattern, handler)),
  ...MUTATIONS.map(([method, pattern, handler]) => route(method, pattern, locking(handler))),
];

/** Ids of projects, branches, endpoints and snapshots in a path. */
const ID = /^[a-z0-9-]{1,60}$/;
const WITH_ID = new Set([":project", ":branch", ":endpoint", ":snapshot"]);

/** `path` without query, below the API's host. Fixed words win over parameters. */
export function resolve(method: string, path: string): { readonly handler: Handler; readonly params: Record<string, string> } {
  const words = path.split("/").slice(1).map(decodeURIComponent);
  const fitting = ROUTES.filter(
    (each) => each.method === method && each.words.length === words.length && each.words.every((word, at) => fits(word, words[at] ?? "")),
  );
  const fixed = (each: Route): number => each.words.filter((word) => !word.startsWith(":")).length;
  const [best] = fitting.sort((a, b) => fixed(b) - fixed(a));
  if (best === undefined) throw notFound("this request has no handler in the sandbox; page");
  const params = Object.fromEntries(best.words.flatMap((word, at) => (word.startsWith(":") ? [[word.slice(1), words[at] ?? ""]] : [])));
  return { handler: best.handler, params };
}

function fits(pattern: string, word: string): boolean {
  if (!pattern.startsWith(":")) return pattern === word;
  return word !== "" && (!WITH_ID.has(pattern) || ID.test(word));
}

/** Every request that has a handler: method, and path with `:names`. */
export function requests(): readonly { readonly method: string; readonly path: string }[] {
  return ROUTES.map(({ method, words }) => ({ method, path: `/${words.join("/")}` }));
}
