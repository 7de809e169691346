// Railway's GraphQL API. A variable is set without the deployment that Railway would begin by itself, so that its end can be awaited.
import type { Secret } from "../../core/secret.ts";
import type { Work } from "../../ports/connection.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { callerOf, fieldsOf, listOf, stateBy, textOf, untilDeployed } from "../http.ts";

interface Options {
  readonly project: string;
  readonly environment: string;
  readonly service: string;
  readonly token: Secret;
  readonly api: string;
}

const READ = `query variables($projectId: String!, $environmentId: String!, $serviceId: String) {
  variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId)
}`;
const SET = `mutation variableUpsert($input: VariableUpsertInput!) { variableUpsert(input: $input) }`;
const DEPLOY = `mutation serviceInstanceRedeploy($serviceId: String!, $environmentId: String!) {
  serviceInstanceRedeploy(serviceId: $serviceId, environmentId: $environmentId)
}`;
const NEWEST = `query deployments($input: DeploymentListInput!) { deployments(input: $input, first: 1) { edges { node { id status } } } }`;

export function makeCutOver({ options, variable, ...wiring }: CutOverWiring<Options>): CutOver {
  const token = options.token.read();
  const caller = callerOf(wiring, options.api, { authorization: `Bearer ${token}` }, [token]);
  const place = { projectId: options.project, environmentId: options.environment, serviceId: options.service };
  const ask = async (query: string, variables: unknown, work?: Work, once?: boolean) => {
    const { json } = await caller.call({ method: "POST", path: "", body: { query, variables }, once }, work);
    // GraphQL answers 200 to what it refuses.
    const [error] = listOf(fieldsOf(json).errors);
    if (error !== undefined) throw caller.refuse(textOf(error.message) ?? "the service refused the request");
    return fieldsOf(fieldsOf(json).data);
  };
  const newest = async (work?: Work) => {
    const { deployments } = await ask(NEWEST, { input: place }, work);
    const node = fieldsOf(listOf(fieldsOf(deployments).edges)[0]?.node);
    return { id: textOf(node.id), status: textOf(node.status) ?? "unknown" };
  };
  return {
    async read(work) {
      const { variables } = await ask(READ, place, work);
      const values = fieldsOf(variables);
      if (!Object.hasOwn(values, variable)) throw caller.refuse(`the service has no variable ${variable}`);
      const value = textOf(values[variable]);
      if (value !== undefined) caller.hide(value);
      return { value };
    },
    async set(value, work) {
      caller.hide(value);
      await ask(SET, { input: { ...place, name: variable, value, skipDeploys: true } }, work);
    },
    async deploy(work) {
      const before = await newest(work);
      await ask(DEPLOY, { serviceId: options.service, environmentId: options.environment }, work, true);
      await untilDeployed(
        caller,
        async () => {
          const { id, status } = await newest(work);
          // The list may not show the deployment at once.
          if (id === before.id) return { phase: "ordered" };
          return stateBy(status, ["SUCCESS", "SLEEPING"], ["FAILED", "CRASHED", "REMOVED", "SKIPPED"]);
        },
        work,
      );
    },
  };
}
