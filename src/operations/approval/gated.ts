// Operations that may change production: the fields of their requests that pass the gate, and the gate before `run`.
import * as z from "zod/mini";
import type { Plan } from "../../core/plan.ts";
import { type Operation, parseRequest, whyLocal } from "../operation.ts";
import { about } from "../schemas.ts";
import { type Gated, passGate } from "./gate.ts";

/** Fields of the request of every such operation. */
export const gateFields = {
  planDigest: z.optional(about(z.string(), "The digest that the plan must have, or its first 12 digits: PLAN_CHANGED otherwise.")),
  approved: z.optional(about(z.string(), "Id of the approval; what the request does not say is as it was approved.")),
  breakGlass: z.optional(about(z.string(), "Why it must be done without approval. Every channel is told at once.")),
};

/** An operation that passes the gate before it runs. */
export interface GatedOperation<Request, Result> extends Operation<Request, Result, Plan> {
  readonly gate: Gated;
}

type Changing<Request, Result> = Operation<Request, Result, Plan> & Required<Pick<Operation<Request, Result, Plan>, "plan" | "production">>;

export function gated<Request extends object, Result>(definition: Changing<Request, Result>): GatedOperation<Request, Result> {
  const { name, production, plan } = definition;
  const gate: Gated = {
    name,
    production: (context, request) => production(context, parseRequest(definition, request)),
    plan: (context, request) => plan.run(context, parseRequest(definition, request)),
    whyLocal: (request) => whyLocal(definition, request),
  };
  return {
    ...definition,
    gate,
    async run(context, request) {
      const passed = await passGate(gate, context, Object.fromEntries(Object.entries(request)));
      return definition.run({ ...context, permit: passed.permit }, parseRequest(definition, passed.request));
    },
  };
}
