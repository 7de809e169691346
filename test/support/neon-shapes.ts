// Holds requests and answers of the Neon API against its declared shapes. A small reader of OpenAPI: as much as that file uses.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Seen } from "../../packages/sandbox/neon/faults.ts";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly nullable?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly additionalProperties?: boolean | Schema;
}
interface Body {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly schema?: Schema }[];
  readonly requestBody?: Body & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Body>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface NeonShapes {
  /** Everything wrong with one exchange, a sentence each. */
  faults(seen: Seen): string[];
  /** As `GET /projects/{project_id}`; undefined where it is not declared. */
  nameOf(method: string, path: string): string | undefined;
}

/** Undefined where the file with the shapes is absent. */
export function openNeonShapes(): NeonShapes | undefined {
  const file = join(import.meta.dirname, "../../../shared/specs/neon-v2.json");
  if (!existsSync(file)) return undefined;
  const document = JSON.parse(readFileSync(file, "utf8")) as Document;
  const find = (method: string, path: string): { name: string; operation: Operation } | undefined => {
    const words = path.split("/");
    const fitting = Object.entries(document.paths).flatMap(([pattern, methods]) => {
      const operation = methods[method.toLowerCase()];
      const parts = pattern.split("/");
      const fits = parts.length === words.length && parts.every((part, at) => part.startsWith("{") || part === words[at]);
      return operation !== undefined && fits ? [{ name: `${method} ${pattern}`, operation, open: pattern.split("{").length }] : [];
    });
    return fitting.sort((a, b) => a.open - b.open)[0];
  };
  return {
    nameOf: (method, path) => find(method, path)?.name,
    faults({ method, path, query, body, status, answer }) {
      const found = find(method, path);
      if (found === undefined) return [`${method} ${path} is not declared`];
      const { name, operation } = found;
      const said: string[] = [];
      const complain = (where: string, schema: Schema | undefined, value: unknown): void => {
        if (schema === undefined) return;
        said.push(...mismatches(document, schema, value, where).map((each) => `${name}: ${each}`));
      };
      if (status !== undefined && status < 400) {
        const known = new Map(operation.parameters?.filter((each) => each.in === "query").map((each) => [each.name, each]));
        for (const [key] of new URLSearchParams(query)) if (!known.has(key)) said.push(`${name}: ${key} is not a parameter`);
        const request = operation.requestBody;
        if (body !== undefined && request === undefined) said.push(`${name}: takes no body`);
        if (body !== undefined) complain("request", request?.content?.["application/json"]?.schema, body);
      }
      if (status === undefined) return said;
      const response = operation.responses[String(status)] ?? (status >= 400 ? operation.responses["4XX"] : undefined);
      if (response === undefined && status < 500) return [...said, `${name}: status ${status} is not declared`];
      complain(`answer ${status}`, response?.content?.["application/json"]?.schema, answer);
      return said;
    },
  };
}

function mismatches(document: Document, schema: Schema, value: unknown, where: string): string[] {
  if (schema.$ref !== undefined) {
    const named = document.components.schemas[schema.$ref.replace("#/components/schemas/", "")];
    return named === undefined ? [`${where}: ${schema.$ref} is not in the file`] : mismatches(document, named, value, where);
  }
  const parts = schema.oneOf ?? schema.anyOf;
  if (parts !== undefined) {
    const tried = parts.map((each) => mismatches(document, each, value, where));
    return tried.some((each) => each.length === 0) ? [] : (tried[0] ?? []);
  }
  if (schema.allOf !== undefined) {
    const whole = schema.allOf.map((each) => flattened(document, each));
    const properties = Object.assign({}, ...whole.map((each) => each.properties));
    return mismatches(document, { type: "object", properties, required: whole.flatMap((each) => each.required ?? []) }, value, where);
  }
  if (value === null) return schema.nullable === true || /^request.*expires_at$/.test(where) ? [] : [`${where} is null`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${where} is ${JSON.stringify(value)}`];
  switch (schema.type) {
    case "object":
      return ofObject(document, schema, value, where);
    case "array":
      if (!Array.isArray(value)) return [`${where} is not an array`];
      return value.flatMap((each, at) => mismatches(document, schema.items ?? {}, each, `${where}[${at}]`));
    case "string":
      return ofString(schema, value, where);
    case "integer":
    case "number":
      if (typeof value !== "number" || (schema.type === "integer" && !Number.isInteger(value))) return [`${where} is no ${schema.type}`];
      return value < (schema.minimum ?? value) || value > (schema.maximum ?? value) ? [`${where} is ${value}`] : [];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${where} is not a boolean`];
    default:
      return [];
  }
}

function ofString(schema: Schema, value: unknown, where: string): string[] {
  if (typeof value !== "string") return [`${where} is not a string`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) return [`${where} is ${value}, not of ${schema.pattern}`];
  if (schema.format === "date-time" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value))
    return [`${where} is not a date-time`];
  if (schema.format === "uuid" && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return [`${where} is not a uuid`];
  return [];
}

/** Unknown properties are faults: a misspelt field would else pass for an optional one that is absent. */
function ofObject(document: Document, schema: Schema, value: unknown, where: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${where} is not an object`];
  const properties = schema.properties ?? {};
  const missing = (schema.required ?? []).filter((key) => !(key in value)).map((key) => `${where}.${key} is missing`);
  const open = schema.properties === undefined || schema.additionalProperties !== undefined;
  return [
    ...missing,
    ...Object.entries(value).flatMap(([key, each]) => {
      const known = properties[key];
      if (known !== undefined) return mismatches(document, known, each, `${where}.${key}`);
      return open ? [] : [`${where}.${key} is not declared`];
    }),
  ];
}

function flattened(document: Document, schema: Schema): Schema {
  if (schema.$ref !== undefined)
    return flattened(document, document.components.schemas[schema.$ref.replace("#/components/schemas/", "")] ?? {});
  if (schema.allOf === undefined) return schema;
  const whole = schema.allOf.map((each) => flattened(document, each));
  return { properties: Object.assign({}, ...whole.map((each) => each.properties)), required: whole.flatMap((each) => each.required ?? []) };
}
