// lifeboat.schema.json: what editors need to complete and check the configuration, from the option tables.

import { root } from "../../src/config/tables/root.ts";
import type { Option, Section, Shape } from "../../src/core/option.ts";

type Json = Readonly<Record<string, unknown>>;

/** A value can always be a reference instead; numbers and words then have the form of text. */
const REFERENCE = { type: "string", pattern: "\\$\\{[^}]+\\}" };

export function editorSchema(): string {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Lifeboat configuration",
    ...schemaOf(root),
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
  const entries = Object.entries(shape.table);
  // What the environment can give is not asked of the file.
  const required = entries.filter(([, option]) => option.required === true && option.env === undefined).map(([key]) => key);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([key, option]) => [key, schemaOf(option.type, option)])),
    additionalProperties: false,
    ...(required.length > 0 ? { required } : {}),
  };
}
