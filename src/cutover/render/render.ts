// Render's API, version 1.
import type { Secret } from "../../core/secret.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { callerOf, fieldsOf, stateBy, textOf, untilDeployed } from "../http.ts";

interface Options {
  readonly service: string;
  readonly token: Secret;
  readonly api: string;
}

const FAILED = ["deactivated", "build_failed", "update_failed", "pre_deploy_failed", "canceled"];

export function makeCutOver({ options, variable, ...wiring }: CutOverWiring<Options>): CutOver {
  const token = options.token.read();
  const caller = callerOf(wiring, options.api.replace(/\/+$/, ""), { authorization: `Bearer ${token}` }, [token]);
  const service = `/services/${encodeURIComponent(options.service)}`;
  const place = `${service}/env-vars/${encodeURIComponent(variable)}`;
  return {
    async read(work) {
      const { status, json } = await caller.call({ method: "GET", path: place, accept: [404] }, work);
      if (status === 404) throw caller.refuse(`the service has no variable ${variable}`);
      const value = textOf(fieldsOf(json).value);
      if (value !== undefined) caller.hide(value);
      return { value };
    },
    async set(value, work) {
      caller.hide(value);
      await caller.call({ method: "PUT", path: place, body: { value } }, work);
    },
    async deploy(work) {
      const { json } = await caller.call({ method: "POST", path: `${service}/deploys`, body: {}, once: true }, work);
      const id = textOf(fieldsOf(json).id);
      if (id === undefined) throw caller.refuse("the service began no deployment");
      const path = `${service}/deploys/${encodeURIComponent(id)}`;
      await untilDeployed(
        caller,
        async () => {
          const status = textOf(fieldsOf((await caller.call({ method: "GET", path }, work)).json).status) ?? "unknown";
          return stateBy(status, ["live"], FAILED);
        },
        work,
      );
    },
  };
}
