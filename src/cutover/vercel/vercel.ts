// Vercel's API. A variable is read by new deployments only: the newest one of production is deployed again.
import type { Secret } from "../../core/secret.ts";
import type { Work } from "../../ports/connection.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { callerOf, fieldsOf, listOf, stateBy, textOf, untilDeployed } from "../http.ts";

interface Options {
  readonly project: string;
  readonly team?: string | undefined;
  readonly token: Secret;
  readonly api: string;
}

export function makeCutOver({ options, variable, ...wiring }: CutOverWiring<Options>): CutOver {
  const token = options.token.read();
  const caller = callerOf(wiring, options.api.replace(/\/+$/, ""), { authorization: `Bearer ${token}` }, [token]);
  const project = encodeURIComponent(options.project);
  const query = (more: Readonly<Record<string, string>> = {}): string => {
    const all = new URLSearchParams({ ...more, ...(options.team !== undefined && { teamId: options.team }) });
    return all.size === 0 ? "" : `?${all}`;
  };
  const find = async (work?: Work) => {
    const { json } = await caller.call({ method: "GET", path: `/v10/projects/${project}/env${query()}` }, work);
    const found = listOf(fieldsOf(json).envs).filter(
      ({ key, target, gitBranch }) => key === variable && isProduction(target) && !gitBranch,
    );
    const [one] = found;
    const id = textOf(one?.id);
    if (one === undefined || id === undefined) throw caller.refuse(`the production environment has no variable ${variable}`);
    return { id: encodeURIComponent(id), type: textOf(one.type) };
  };
  return {
    async read(work) {
      const { id, type } = await find(work);
      if (type === "sensitive") return { value: undefined };
      const { json } = await caller.call({ method: "GET", path: `/v1/projects/${project}/env/${id}${query()}` }, work);
      const value = textOf(fieldsOf(json).value);
      if (value !== undefined) caller.hide(value);
      return { value };
    },
    async set(value, work) {
      caller.hide(value);
      const { id } = await find(work);
      await caller.call({ method: "PATCH", path: `/v9/projects/${project}/env/${id}${query()}`, body: { value } }, work);
    },
    async deploy(work) {
      const newest = { projectId: options.project, target: "production", state: "READY", limit: "1" };
      const { json: listed } = await caller.call({ method: "GET", path: `/v6/deployments${query(newest)}` }, work);
      const [present] = listOf(fieldsOf(listed).deployments);
      const [deploymentId, name] = [textOf(present?.uid), textOf(present?.name)];
      if (deploymentId === undefined || name === undefined) throw caller.refuse("production has no deployment that could be repeated");
      const body = { name, deploymentId, target: "production", project: options.project };
      const { json } = await caller.call({ method: "POST", path: `/v13/deployments${query({ forceNew: "1" })}`, body, once: true }, work);
      const id = textOf(fieldsOf(json).id);
      if (id === undefined) throw caller.refuse("the service began no deployment");
      const path = `/v13/deployments/${encodeURIComponent(id)}${query()}`;
      await untilDeployed(
        caller,
        async () => {
          const state = textOf(fieldsOf((await caller.call({ method: "GET", path }, work)).json).readyState) ?? "unknown";
          return stateBy(state, ["READY"], ["ERROR", "CANCELED"]);
        },
        work,
      );
    },
  };
}

const isProduction = (target: unknown): boolean => target === "production" || (Array.isArray(target) && target.includes("production"));
