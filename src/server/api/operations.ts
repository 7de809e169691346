// The registry as the API offers it: which operations, under which paths, and what of a request makes sense from another machine.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { type Operation, parseRequest, whyLocal } from "../../operations/operation.ts";
import { OPERATIONS } from "../../operations/registry.ts";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** An operation whose request and result are checked by its own schemas. */
export interface ApiOperation extends Omit<Operation<unknown, unknown, unknown>, "request"> {
  readonly request: z.ZodMiniType<unknown>;
  readonly summary: string;
  /** `jobs-recover`. */
  readonly path: string;
  /** Fields of the request, as JSON Schema, without those that make sense only on the machine of the service. */
  readonly fields: Readonly<Record<string, JsonSchema>>;
  readonly required: readonly string[];
  /** How it is called: looked at directly, or begun as a job. */
  readonly call: "get" | "post" | "job";
}

let loaded: Promise<readonly ApiOperation[]> | undefined;

/** Every operation that another machine can ask for, loaded once. */
export function apiOperations(): Promise<readonly ApiOperation[]> {
  loaded ??= Promise.all(
    Object.values(OPERATIONS).map(async ({ summary, load }) => describe((await load()) as Operation<unknown, unknown, unknown>, summary)),
  ).then((all) => all.filter(({ local }) => local !== "all"));
  return loaded;
}

function describe(operation: Operation<unknown, unknown, unknown>, summary: string): ApiOperation {
  const { properties = {}, required = [] } = z.toJSONSchema(operation.request, { unrepresentable: "any", io: "input" });
  const hidden = localFields(operation);
  const fields = Object.fromEntries(Object.entries(properties).filter(([name]) => !hidden.includes(name))) as Record<string, JsonSchema>;
  const isFlat = Object.values(fields).every((field) => kindOf(field) !== undefined);
  const call = operation.access !== "look" ? "job" : isFlat ? "get" : "post";
  return { ...operation, summary, path: operation.name.replaceAll(" ", "-"), fields, required, call };
}

const localFields = ({ local }: Pick<Operation<unknown, unknown>, "local">): readonly string[] =>
  typeof local === "object" ? (local.fields ?? []) : [];

/** The request of another machine, checked. USAGE, LOCAL_ONLY. */
export function parseRemote(operation: ApiOperation, given: unknown): unknown {
  const why = whyLocal(operation, given);
  if (why !== undefined) throw new LifeboatError("LOCAL_ONLY", why);
  return parseRequest(operation, given);
}

type Kind = "text" | "number" | "flag" | "texts";

/** What one query parameter can hold. Undefined: the field is structured. */
export function kindOf({ type, items }: JsonSchema): Kind | undefined {
  if (type === "string") return "text";
  if (type === "number" || type === "integer") return "number";
  if (type === "boolean") return "flag";
  return type === "array" && typeof items === "object" && !Array.isArray(items) && (items as JsonSchema).type === "string"
    ? "texts"
    : undefined;
}

/** The request in query parameters. What is not a number or a flag stays text, for the schema to refuse. */
export function requestOfQuery({ fields }: ApiOperation, query: URLSearchParams): Readonly<Record<string, unknown>> {
  const names = new Set(query.keys());
  return Object.fromEntries(
    [...names].map((name) => {
      const values = query.getAll(name);
      const kind = kindOf(fields[name] ?? {});
      if (kind === "texts") return [name, values];
      const [value = "", ...others] = values;
      if (others.length > 0) return [name, values];
      if (kind === "number" && /^-?\d+(\.\d+)?$/.test(value)) return [name, Number(value)];
      if (kind === "flag" && /^(true|false)$/.test(value)) return [name, value === "true"];
      return [name, value];
    }),
  );
}
