// Coolify's API, version 1. Changing a variable resets every flag that the request omits, so all of them are sent back as they were read.
import type { Secret } from "../../core/secret.ts";
import type { Work } from "../../ports/connection.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { type Caller, callerOf, fieldsOf, listOf, stateBy, textOf, untilDeployed } from "../http.ts";

interface Options {
  readonly url: string;
  readonly application: string;
  readonly token: Secret;
  readonly restart: boolean;
}

/** The properties of a variable that Coolify accepts. One that its version does not have is not in its answer, and is not sent. */
const FLAGS = ["is_preview", "is_literal", "is_multiline", "is_shown_once", "is_runtime", "is_buildtime", "comment"] as const;

export function makeCutOver({ options, variable, ...wiring }: CutOverWiring<Options>): CutOver {
  const token = options.token.read();
  const base = `${options.url.replace(/\/+$/, "")}/api/v1`;
  const caller = callerOf(wiring, base, { authorization: `Bearer ${token}` }, [token]);
  const application = encodeURIComponent(options.application);
  const find = async (work?: Work) => {
    const { json } = await caller.call({ method: "GET", path: `/applications/${application}/envs` }, work);
    const found = listOf(json).find(({ key, is_preview }) => key === variable && is_preview !== true);
    if (found === undefined) throw caller.refuse(`the application has no variable ${variable}`);
    return found;
  };
  return {
    async read(work) {
      const { real_value, value } = await find(work);
      // Coolify shows the value as it is used (`real_value`) and as it was written, which may refer to other variables.
      const present = textOf(value) ?? textOf(real_value);
      if (present !== undefined) caller.hide(present);
      return { value: present };
    },
    async set(value, work) {
      caller.hide(value);
      const found = await find(work);
      const flags = Object.fromEntries(FLAGS.flatMap((flag) => (found[flag] === undefined ? [] : [[flag, found[flag]]])));
      const item = { key: variable, value, ...flags };
      await caller.call({ method: "PATCH", path: `/applications/${application}/envs/bulk`, body: { data: [item] } }, work);
    },
    async deploy(work) {
      const json = options.restart
        ? (await caller.call({ method: "POST", path: `/applications/${application}/restart`, once: true }, work)).json
        : await order(caller, application, work);
      const id = textOf(fieldsOf(json).deployment_uuid) ?? textOf(listOf(fieldsOf(json).deployments)[0]?.deployment_uuid);
      if (id === undefined) throw caller.refuse("the service began no deployment");
      const path = `/deployments/${encodeURIComponent(id)}`;
      await untilDeployed(
        caller,
        async () => {
          const status = textOf(fieldsOf((await caller.call({ method: "GET", path }, work)).json).status) ?? "unknown";
          return stateBy(status, ["finished"], ["failed", "cancelled-by-user"]);
        },
        work,
      );
    },
  };
}

/** Since 4.2 the order is a POST. Old ones know the GET alone and answer the POST with 404 or 405. */
async function order(caller: Caller, application: string, work?: Work): Promise<unknown> {
  const path = `/deploy?uuid=${application}`;
  const posted = await caller.call({ method: "POST", path, once: true, accept: [404, 405] }, work);
  if (posted.status !== 404 && posted.status !== 405) return posted.json;
  return (await caller.call({ method: "GET", path, once: true }, work)).json;
}
