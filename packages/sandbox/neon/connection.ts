// The connection string of a branch or a compute.
import { connectionUri } from "./branch-view.ts";
import { defaultOf } from "./branches.ts";
import { databaseOf, roleOf } from "./catalog.ts";
import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import { invalid, NeonApiError, notFound } from "./errors.ts";
import { endpointsOf } from "./state.ts";

export function getConnectionUri(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const database = request.query.get("database_name");
  const role = request.query.get("role_name");
  if (database === null || role === null) throw invalid("database_name and role_name are required");
  const endpointId = request.query.get("endpoint_id");
  const branchId = request.query.get("branch_id");
  const asked = endpointId === null ? undefined : emulator.endpoint(project, endpointId);
  const branch =
    asked !== undefined
      ? emulator.branch(project, asked.branchId)
      : branchId === null
        ? defaultOf(project)
        : emulator.branch(project, branchId);
  const endpoints = endpointsOf(project, branch);
  const endpoint = asked ?? endpoints.find((each) => each.type === "read_write") ?? endpoints[0];
  if (endpoint === undefined) throw notFound("endpoint");
  databaseOf(branch, database);
  const { password } = roleOf(branch, role);
  if (password === undefined) throw new NeonApiError(412, "", "the role has no password");
  return { status: 200, body: { uri: connectionUri(endpoint, role, password, database) } };
}
