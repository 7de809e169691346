// Calls about computes, databases and connection strings.
import type { Work } from "../../../ports/connection.ts";
import type { NeonApi } from "./api.ts";
import { need, readCompute } from "./read.ts";
import { orGone, type Session } from "./session.ts";
import type { NeonCompute } from "./types.ts";

type ComputeCalls = Pick<NeonApi, "computes" | "createCompute" | "deleteCompute" | "startCompute" | "databases" | "connectionUri">;

export function computeCalls({ project, ask, change, make }: Session): ComputeCalls {
  const onBranch = (id: string) => ({ project_id: project, branch_id: id });

  const computes = (branchId: string, work?: Work): Promise<NeonCompute[]> =>
    ask(
      {
        doing: `list the computes of ${branchId}`,
        send: (raw, common) => raw.listProjectBranchEndpoints({ ...common, path: onBranch(branchId) }),
        read: (data) => need(data.endpoints, "endpoints").map(readCompute),
      },
      work,
    );

  return {
    computes,
    createCompute: (branchId, work) =>
      make(
        {
          doing: `add a compute to ${branchId}`,
          send: (raw, common) =>
            raw.createProjectEndpoint({
              ...common,
              path: { project_id: project },
              body: { endpoint: { branch_id: branchId, type: "read_write" } },
            }),
          read: (data) => readCompute(need(data.endpoint, "endpoint")),
          // A branch has at most one that can write.
          look: async () => (await computes(branchId, work)).find((compute) => compute.writable),
        },
        work,
      ),
    async deleteCompute(id, work) {
      await orGone(
        change(
          {
            doing: `delete the compute ${id}`,
            send: (raw, common) => raw.deleteProjectEndpoint({ ...common, path: { project_id: project, endpoint_id: id } }),
          },
          work,
        ),
      );
    },
    async startCompute(id, work) {
      await change(
        {
          doing: `start the compute ${id}`,
          send: (raw, common) => raw.startProjectEndpoint({ ...common, path: { project_id: project, endpoint_id: id } }),
        },
        work,
      );
    },
    databases: (branchId, work) =>
      ask(
        {
          doing: `list the databases of ${branchId}`,
          send: (raw, common) => raw.listProjectBranchDatabases({ ...common, path: onBranch(branchId) }),
          read: (data) => need(data.databases, "databases").map(({ id, name, owner_name }) => ({ id, name, owner: owner_name })),
        },
        work,
      ),
    async connectionUri({ branchId, computeId, database, role }, work) {
      return await ask(
        {
          doing: `give the connection string of ${branchId}`,
          send: (raw, common) =>
            raw.getConnectionUri({
              ...common,
              path: { project_id: project },
              query: { branch_id: branchId, endpoint_id: computeId, database_name: database, role_name: role, pooled: false },
            }),
          read: (data) => need(data.uri, "connection string"),
        },
        work,
      );
    },
  };
}
