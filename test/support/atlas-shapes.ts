// Holds requests and answers of the Atlas API against its declared shapes. A small reader of OpenAPI: as much as that file uses.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Seen } from "../../packages/sandbox/atlas/faults.ts";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly stub?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly (Schema | string)[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly discriminator?: { readonly propertyName: string; readonly mapping?: Readonly<Record<string, string>> };
  readonly additionalProperties?: boolean | Schema;
}
interface Operation {
  readonly parameters?: readonly ({ readonly name: string; readonly in: string } | { readonly $ref: string })[];
  readonly request?: { readonly schema?: Schema };
  readonly responses: Readonly<Record<string, { readonly schema?: Schema; readonly $ref?: string }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface AtlasShapes {
  /** Everything wrong with one exchange, a sentence each. */
  faults(seen: Seen): string[];
  /** As `GET /groups/{groupId}`; undefined where it is not declared. */
  nameOf(method: string, path: string): string | undefined;
}

const BASE = "/api/atlas/v2";
/** The real server sends fields that its own description does not know. */
const UNDOCUMENTED = new Set(["targetDeploymentItemName", "includeRaw"]);
/** Recorded values that the description's own lists do not hold. */
const RECORDED: Readonly<Record<string, readonly unknown[]>> = { frequencyType: ["ondemand"], readPreference: ["secondary"] };

/** Undefined where the file with the shapes is absent. */
export function openAtlasShapes(): AtlasShapes | undefined {
  const file = join(import.meta.dirname, "../../../shared/specs/atlas-v2-slice.json");
  if (!existsSync(file)) return undefined;
  const document = JSON.parse(readFileSync(file, "utf8")) as Document;
  const find = (method: string, path: string): { name: string; operation: Operation } | undefined => {
    const words = path.replace(/\/$/, "").split("/");
    const fitting = Object.entries(document.paths).flatMap(([whole, methods]) => {
      const operation = methods[method.toLowerCase()];
      const pattern = whole.slice(BASE.length);
      const parts = pattern.split("/");
      const fits = parts.length === words.length && parts.every((part, at) => part.startsWith("{") || part === words[at]);
      return operation !== undefined && fits ? [{ name: `${method} ${pattern}`, operation, open: pattern.split("{").length }] : [];
    });
    return fitting.sort((a, b) => a.open - b.open)[0];
  };
  return {
    nameOf: (method, path) => find(method, path)?.name,
    faults({ method, path, query, body, status, answer }) {
      if (status === undefined || path.startsWith("/api/oauth/")) return [];
      const found = find(method, path);
      if (found === undefined) return status === 404 || status === 405 ? [] : [`${method} ${path} is not declared`];
      const { name, operation } = found;
      const said: string[] = [];
      const check = (where: string, schema: Schema | undefined, value: unknown): void => {
        if (schema !== undefined) said.push(...mismatches(document, schema, value, where).map((each) => `${name}: ${each}`));
      };
      if (status < 400) {
        const known = new Set(operation.parameters?.map((each) => ("name" in each ? each.name : (each.$ref.split("/").at(-1) ?? ""))));
        for (const [key] of new URLSearchParams(query)) if (!known.has(key)) said.push(`${name}: ${key} is not a parameter`);
        const schema = operation.request?.schema;
        if (body !== undefined && schema === undefined) said.push(`${name}: takes no body`);
        if (body !== undefined) check("request", schema, body);
        const response = operation.responses[String(status)];
        if (response === undefined) said.push(`${name}: status ${status} is not declared`);
        else if (response.schema !== undefined) check(`answer ${status}`, response.schema, answer);
      } else check(`answer ${status}`, document.components.schemas.ApiError, answer);
      return said;
    },
  };
}

function named(document: Document, schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  return document.components.schemas[schema.$ref.replace("#/components/schemas/", "")] ?? {};
}

/** Null stands for what is absent: the real server sends it where nothing is. */
function mismatches(document: Document, given: Schema, value: unknown, where: string): string[] {
  if (value === null || value === undefined) return [];
  const schema = chosen(document, named(document, given), value);
  if (schema.stub === true) return [];
  if (schema.oneOf !== undefined) {
    const parts = schema.oneOf.filter((each) => typeof each !== "string");
    const tried = parts.map((each) => mismatches(document, each, value, where));
    return tried.length === 0 || tried.some((each) => each.length === 0) ? [] : (tried[0] ?? []);
  }
  const key = where.split(".").at(-1) ?? "";
  if (key.startsWith("parameters[")) return []; // recorded as texts, declared as objects
  if (schema.enum !== undefined && !schema.enum.includes(value) && RECORDED[key]?.includes(value) !== true)
    return [`${where} is ${JSON.stringify(value)}`];
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
      return schema.properties === undefined ? [] : ofObject(document, schema, value, where);
  }
}

/** Parts put together, and the variant that the value itself names. */
function chosen(document: Document, schema: Schema, value: unknown): Schema {
  const { propertyName, mapping } = schema.discriminator ?? {};
  const variant = propertyName === undefined ? undefined : mapping?.[String((value as Record<string, unknown>)[propertyName])];
  const picked = variant === undefined ? schema : named(document, { $ref: variant });
  const { discriminator: _, ...whole } = picked;
  if (picked.allOf === undefined) return whole;
  const parts = picked.allOf.map((each) => {
    const { discriminator: _each, ...rest } = named(document, each);
    return chosen(document, rest, value);
  });
  const properties = Object.assign({}, ...parts.map((each) => each.properties), picked.properties);
  return { type: "object", properties, required: [...(picked.required ?? []), ...parts.flatMap((each) => each.required ?? [])] };
}

/** Some are written for a reader of Unicode, some for one that minds no needless backslash. */
const patternOf = (text: string): RegExp => new RegExp(text, text.includes("\\p{") ? "u" : "");

function ofString(schema: Schema, value: unknown, where: string): string[] {
  if (typeof value !== "string") return [`${where} is not a string`];
  if (schema.pattern !== undefined && !patternOf(schema.pattern).test(value) && !where.endsWith("prefix"))
    return [`${where} is ${value}, not of ${schema.pattern}`];
  if (schema.format === "date-time" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value))
    return [`${where} is not a date-time`];
  return [];
}

/** Unknown properties are faults: a misspelt field would else pass for an optional one that is absent. */
function ofObject(document: Document, schema: Schema, value: unknown, where: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${where} is not an object`];
  const properties = schema.properties ?? {};
  const missing = (schema.required ?? [])
    .filter((key) => !(key in value) && key !== "description")
    .map((key) => `${where}.${key} is missing`);
  const open = schema.properties === undefined || schema.additionalProperties !== undefined;
  return [
    ...missing,
    ...Object.entries(value).flatMap(([key, each]) => {
      const known = properties[key];
      if (known !== undefined) return mismatches(document, known, each, `${where}.${key}`);
      return open || UNDOCUMENTED.has(key) ? [] : [`${where}.${key} is not declared`];
    }),
  ];
}
