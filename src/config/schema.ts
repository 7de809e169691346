// Option tables → zod: structure, defaults, environment, names with units, and what could not be had as throwing getters.
import * as z from "zod";
import { Mismatch, type Option, type Section, type Shape, variableOf } from "../core/option.ts";
import { Unresolved } from "./tree.ts";

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A path of the file, made whole. */
  readonly absolute: (path: string) => string;
  /** Told every secret that is read, and how it was given. */
  readonly onSecret: (value: string, given: string) => void;
}

const nowhere: Surroundings = { env: {}, absolute: (path) => path, onSecret() {} };

/** The validation of a shape. Issues carry `params.mismatch` (a Mismatch) or `params.rule`. */
export function schemaOf(shape: Shape, around: Surroundings = nowhere, option?: Option): z.ZodType {
  switch (shape.shape) {
    case "scalar":
      return scalarSchema(shape, around, option);
    case "list":
      return z.array(schemaOf(shape.item, around)).transform((items) => items.find((item) => item instanceof Unresolved) ?? items);
    case "named":
      return z.record(z.string(), schemaOf(shape.item, around)).transform((entries) => withGetters(Object.entries(entries)));
    case "section":
      return sectionSchema(shape, around);
  }
}

function scalarSchema(shape: Extract<Shape, { shape: "scalar" }>, around: Surroundings, option: Option | undefined): z.ZodType {
  return z
    .unknown()
    .transform((raw, context) => {
      if (raw instanceof Unresolved) return raw;
      try {
        if (typeof raw !== "string" && typeof raw !== "number" && typeof raw !== "boolean") throw new Mismatch(shape.word);
        const value = shape.read(raw, around.absolute);
        if (option?.secret === true) around.onSecret(String(value), String(raw));
        return value;
      } catch (error) {
        if (!(error instanceof Mismatch)) throw error;
        context.issues.push({ code: "custom", message: error.message, input: raw, params: { mismatch: error } });
        return z.NEVER;
      }
    })
    .meta({ ...shape.json });
}

function sectionSchema(shape: Section, around: Surroundings): z.ZodType {
  const fields = Object.entries(shape.table).map(([key, option]): [string, z.ZodType] => {
    const schema = schemaOf(option.type, around, option);
    if (option.default !== undefined) return [key, schema.prefault(option.default as never)];
    return [key, option.required === true ? schema : schema.optional()];
  });
  let written: readonly string[] = [];
  const strict = z
    .strictObject(Object.fromEntries(fields))
    .superRefine((values, context) => {
      const wrong = shape.rule?.(values as Record<string, unknown>, written);
      if (wrong === undefined) return;
      const { path, message } = typeof wrong === "string" ? { path: [], message: wrong } : wrong;
      context.addIssue({ code: "custom", message, path: [...path], params: { rule: true } });
    })
    .transform((values) => withGetters(Object.entries(shape.table).map(([key, option]) => [option.as ?? key, values[key]])));
  // The rule runs right after its own section was read, before the next one is.
  return z.preprocess((raw) => {
    if (typeof raw !== "object" || raw === null) return raw;
    written = Object.keys(raw);
    return { ...raw, ...fromEnvironment(shape, raw as Readonly<Record<string, unknown>>, around.env) };
  }, strict);
}

/** What the environment gives of the options that the file leaves open. */
function fromEnvironment(
  { table }: Section,
  raw: Readonly<Record<string, unknown>>,
  env: Surroundings["env"],
): Readonly<Record<string, string>> {
  const found = Object.entries(table).flatMap(([key, option]): [string, string][] => {
    const variable = raw[key] === undefined ? variableOf(option, raw) : undefined;
    const value = variable === undefined ? undefined : env[variable];
    return value ? [[key, value]] : [];
  });
  return Object.fromEntries(found);
}

/** A plain object in which a value that could not be had throws its error when somebody reads it. */
function withGetters(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    if (value instanceof Unresolved) {
      const { error } = value;
      Object.defineProperty(object, key, {
        enumerable: true,
        get() {
          throw error;
        },
      });
    } else if (value !== undefined) object[key] = value;
  }
  return object;
}
