// docs/json.md, from the registry of operations: what each one is asked and what it answers.
import * as z from "zod/mini";
import { jobEvent } from "../../src/operations/jobs/events.ts";
import { OPERATIONS } from "../../src/operations/registry.ts";
import { failedOperation } from "../../src/operations/schemas.ts";
import { EXAMPLES } from "./json-examples.ts";
import { GENERATED, table } from "./markdown.ts";

const INTRODUCTION = `# JSON

${GENERATED}

Every command with \`--json\` prints one line: the result of its operation, as described here. Options of the command line have the
names of the request's fields: \`preDeploy\` is \`--pre-deploy\`. The library takes the same requests and gives the same results.

- A duration is in seconds, a size in bytes, an instant in ISO 8601 and UTC. Names of fields say so: \`rtoSeconds\`, \`sizeBytes\`, \`endedAt\`.
- What is not known is \`null\`. A field that is marked *optional* may be absent.
- Fields are only ever added. A reader must ignore the ones that it does not know.
- Codes, kinds and verdicts are stable. Messages are for people and may change.
- The exit status follows from the result: see [errors](errors.md).
- *Access* is what an operator must be allowed to do: \`look\` changes nothing, \`backup\`, \`restore\` and \`approve\` do.
`;

type Json = z.core.JSONSchema.BaseSchema;
type Shapes = Readonly<Record<string, Json>>;

export async function jsonPage(): Promise<string> {
  const operations = await Promise.all(
    Object.entries(OPERATIONS).map(async ([name, { summary, load }]) => ({ summary, ...(await load()), name })),
  );
  const shapes: Record<string, Json> = {};
  for (const { result, plan } of operations) for (const schema of [result, plan?.result]) if (schema !== undefined) jsonOf(schema, shapes);
  const sections: string[] = [];
  for (const { name, summary, access, request, result, plan } of operations) {
    const parts = [`### ${name}\n`, `${summary}. Access: \`${access}\`.\n`];
    for (const [title, schema] of [
      ["Request", request],
      ["Result", result],
      ["Plan", plan?.result],
    ] as const) {
      if (schema === undefined) continue;
      if (title === "Plan" && schema === result) parts.push("Plan: as the result.\n");
      else parts.push(describe(title, jsonOf(schema, shapes), shapes));
    }
    sections.push(parts.join("\n"), exampleOf(name, result));
  }
  const events = table(
    ["type", "fields", "meaning"],
    (jsonOf(jobEvent, shapes).anyOf ?? jsonOf(jobEvent, shapes).oneOf ?? []).map((one) => {
      const { properties = {}, description = "" } = one as Json;
      const own = Object.keys(properties).filter((field) => !["at", "job", "source", "type"].includes(field));
      return [`\`${(properties.type as Json).const}\``, own.map((field) => `\`${field}\``).join(", "), description];
    }),
  );
  const error = describe("Fields", jsonOf(failedOperation, shapes), shapes);
  return [
    INTRODUCTION,
    "## Operations\n",
    ...sections,
    "## Shapes\n",
    "Shapes that several results have. Where a result has all fields of one, and more, the tables say so.\n",
    ...Object.keys(shapes)
      .sort()
      .map((id) => shapeSection(id, shapes)),
    "## Errors\n",
    "An operation that fails prints one line on standard error. [errors.md](errors.md) lists the codes.\n",
    error,
    exampleOf("error", failedOperation),
    "## Events\n",
    "While an operation works it tells what it does, in order. The library gives each event to `events`; terminal and logs show the same.",
    "Every event has `at`, `job` and `source` (null outside of a job), and `type`.\n",
    `${events}\n`,
    exampleOf("event", jobEvent),
  ]
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd()
    .concat("\n");
}

/** The schema as JSON Schema; the shapes that it names go into `shapes`. */
function jsonOf(schema: z.core.$ZodType, shapes: Record<string, Json>): Json {
  const { $defs, ...json } = z.toJSONSchema(schema, { unrepresentable: "any" });
  Object.assign(shapes, $defs);
  return json;
}

function shapeSection(id: string, shapes: Shapes): string {
  const shape = shapes[id] ?? {};
  return [`### ${capital(id)}\n`, `${shape.description ?? ""}\n`, rowsTable(rowsOf("", shape, shapes, id)), ""].join("\n");
}

function describe(title: string, json: Json, shapes: Shapes): string {
  if (json.$ref !== undefined) return `${title}: a ${typeOf(json)}.\n`;
  const rows = rowsOf("", json, shapes);
  const shape = shapeWithin(json, shapes);
  const begin = shape === undefined ? title : `${title}: all fields of a ${linkTo(shape)}, and`;
  return rows.length === 0 ? `${title}: no fields.\n` : `${begin}:\n\n${rowsTable(rows)}\n`;
}

const rowsTable = (rows: readonly (readonly string[])[]): string => table(["field", "type", "meaning"], rows);

/** Fields with their paths. `self` is the shape being described, which does not refer to itself. */
function rowsOf(path: string, given: Json, shapes: Shapes, self?: string): string[][] {
  const { properties = {}, required = [] } = given;
  const within = self === undefined ? shapeWithin(given, shapes) : undefined;
  const known = within === undefined ? {} : (shapes[within]?.properties ?? {});
  const rows: string[][] = [];
  for (const [name, property] of Object.entries(properties)) {
    if (name in known) continue;
    const { json, type, description } = read(property as Json);
    const field = `${path}${name}${json.items === undefined ? "" : "[]"}`;
    const item = json.items === undefined ? json : read(json.items as Json).json;
    const shape = shapeWithin(item, shapes);
    const kind = shape === undefined ? type : type.replace("object", `${linkTo(shape)} and more`);
    rows.push([`\`${field}\``, required.includes(name) ? kind : `${kind}, optional`, description]);
    rows.push(...rowsOf(`${field}.`, item, shapes));
  }
  return rows;
}

/** The largest named shape all of whose fields are among these. */
function shapeWithin({ properties = {} }: Json, shapes: Shapes): string | undefined {
  const same = ([name, json]: readonly [string, unknown]): boolean => JSON.stringify(properties[name]) === JSON.stringify(json);
  const fits = Object.entries(shapes).filter(([, shape]) => {
    const fields = Object.entries(shape.properties ?? {});
    return fields.length > 2 && fields.length < Object.keys(properties).length && fields.every(same);
  });
  return fits.sort(([, a], [, b]) => Object.keys(b.properties ?? {}).length - Object.keys(a.properties ?? {}).length)[0]?.[0];
}

interface Read {
  readonly json: Json;
  readonly type: string;
  readonly description: string;
}

/** The rules at the beginning say it, and so does the type or the name. */
const SAID: ReadonlySet<string> = new Set(["ISO 8601, UTC.", "Seconds.", "Bytes."]);

/** Of codes there are too many for a table. */
const MOST_WORDS = 12;

function read(given: Json): Read {
  const choices = (given.anyOf ?? []) as Json[];
  const present = choices.filter(({ type }) => type !== "null");
  if (present.length === 1 && present[0] !== undefined) {
    const inner = read(present[0]);
    const mayBeNull = present.length < choices.length ? `${inner.type} or null` : inner.type;
    return { ...inner, type: mayBeNull, description: given.description ?? inner.description };
  }
  return { json: given, type: typeOf(given), description: SAID.has(given.description ?? "") ? "" : (given.description ?? "") };
}

function typeOf({ $ref, type, enum: words, items, format, additionalProperties }: Json): string {
  if ($ref !== undefined) return linkTo(decodeURIComponent($ref.split("/").at(-1) ?? ""));
  if (words !== undefined && words.length <= MOST_WORDS) return words.map((word) => `\`${word}\``).join(", ");
  if (Array.isArray(type)) return type.map((one) => (one === "null" ? "or null" : one)).join(" ");
  if (type === "array") return `list of ${read(items as Json).type}`;
  if (format === "date-time") return "instant";
  if (typeof additionalProperties === "object") return "object, by name";
  return type ?? "object";
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const linkTo = (id: string): string => `[${id}](#${id.replaceAll(" ", "-")})`;

/** A line of a real run. Throws when it is not as the schema says. */
function exampleOf(name: string, schema: z.core.$ZodType): string {
  const example = EXAMPLES[name];
  if (example === undefined) return "";
  z.parse(schema, example.json);
  return `${example.command === undefined ? "" : `\`${example.command}\` prints:\n\n`}\`\`\`json\n${JSON.stringify(example.json, null, 2)}\n\`\`\`\n`;
}
