// lifeboat.schema.json: what editors need to complete and check the configuration, from the option tables.

import { rootOf } from "../../src/config/tables/root.ts";
import { groupsOf, type Option, type Section, type Shape } from "../../src/core/option.ts";
import { DESCRIPTORS } from "../../src/descriptors.ts";

type Json = Readonly<Record<string, unknown>>;

/** A value can always be a reference instead; numbers and words then have the form of text. */
const REFERENCE = { type: "string", pattern: "\\$\\{[^}]+\\}" };

export function editorSchema(descriptors = DESCRIPTORS): string {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Lifeboat configuration",
    ...schemaOf(rootOf(descriptors)),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function schemaOf(shape: Shape, option?: Option): Json {
  const about: Json = {
    ...(option === undefined ? {} : { description: option.help }),
    ...(option?.default === undefined ? {} : { default: option.default }),
  };
  switch (shape.shape) {
    case "scalar": {
      const plain = shape.json.type === "string" && shape.json.pattern === undefined;
      return { ...about, ...(plain ? shape.json : { anyOf: [shape.json, REFERENCE] }) };
    }
    case "list":
      return { ...about, type: "array", items: schemaOf(shape.item) };
    case "named":
      return { ...about, type: "object", additionalProperties: schemaOf(shape.item) };
    case "section":
      return { ...about, ...sectionSchema(shape) };
  }
}

function sectionSchema(shape: Section): Json {
  const properties: Record<string, Json> = {};
  const required: string[] = [];
  for (const { table, of } of groupsOf(shape)) {
    for (const [key, option] of Object.entries(table)) {
      properties[key] = either(properties[key], schemaOf(option.type, option));
      // What the environment can give, and what only one choice requires, is not asked of the file.
      if (option.required === true && option.env === undefined && of === undefined) required.push(key);
    }
  }
  return { type: "object", properties, additionalProperties: false, ...(required.length > 0 ? { required } : {}) };
}

/** An option that several choices have, each in its own way. */
function either(one: Json | undefined, other: Json): Json {
  if (one === undefined) return other;
  if (isObject(one.properties) && isObject(other.properties)) {
    const properties = { ...one.properties };
    for (const [key, inner] of Object.entries(other.properties)) properties[key] = either(properties[key], inner);
    return { ...one, properties };
  }
  const facts = ({ description: _, ...rest }: Json): string => JSON.stringify(rest);
  return facts(one) === facts(other) ? one : { anyOf: [one, other] };
}

const isObject = (value: unknown): value is Readonly<Record<string, Json>> => typeof value === "object" && value !== null;
