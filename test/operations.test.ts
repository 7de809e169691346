// The registry of operations as users of its JSON rely on it: complete, strict, and one meaning for each name.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod/mini";
import { COMMANDS } from "../src/cli/commands/index.ts";
import { GATED_OPERATIONS } from "../src/operations/approval/schemas.ts";
import { OPERATIONS } from "../src/operations/registry.ts";

type Json = z.core.JSONSchema.BaseSchema;

interface Field {
  /** `status.sources[].log.slot.keptBytes` */
  readonly path: string;
  readonly name: string;
  readonly json: Json;
  readonly description: string | undefined;
}

const operations = await Promise.all(
  Object.entries(OPERATIONS).map(async ([name, { summary, load }]) => ({ key: name, summary, ...(await load()) })),
);

/** Without the choice of null, which any value may have. */
function present(json: Json): Json {
  const choices = ((json.anyOf ?? []) as Json[]).filter(({ type }) => type !== "null");
  if (choices[0] !== undefined && choices.length === 1)
    return { ...present(choices[0]), ...(json.description && { description: json.description }) };
  if (Array.isArray(json.type)) return { ...json, type: json.type.filter((one) => one !== "null")[0] ?? "null" };
  return json;
}

function fieldsOf(path: string, given: Json): Field[] {
  const json = present(given);
  const own = Object.entries(json.properties ?? {}).flatMap(([name, property]) => {
    const inner = present(property as Json);
    return [{ path: `${path}.${name}`, name, json: inner, description: inner.description }, ...fieldsOf(`${path}.${name}`, inner)];
  });
  return json.items === undefined ? own : [...own, ...fieldsOf(`${path}[]`, json.items as Json)];
}

/** Everything inline: shapes are looked at wherever they are used. */
function jsonOf(schema: z.core.$ZodType): Json {
  const { $defs, ...json } = z.toJSONSchema(schema, { unrepresentable: "any" });
  const inline = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inline);
    if (typeof value !== "object" || value === null) return value;
    const { $ref, ...rest } = value as Json;
    const own = Object.fromEntries(Object.entries(rest).map(([name, one]) => [name, inline(one)]));
    return $ref === undefined ? own : { ...(inline($defs?.[decodeURIComponent($ref.split("/").at(-1) ?? "")]) as Json), ...own };
  };
  return inline(json) as Json;
}

const requests = operations.flatMap(({ name, request }) => fieldsOf(name, jsonOf(request)));
const results = operations.flatMap(({ name, result, plan }) => [
  ...fieldsOf(name, jsonOf(result)),
  ...(plan === undefined || plan.result === result ? [] : fieldsOf(`${name} (plan)`, jsonOf(plan.result))),
]);

test("R51 every operation has a summary, an access, and a place among the commands with the same words", () => {
  for (const { key, name, summary, access } of operations) {
    assert.equal(name, key);
    assert.match(summary, /^[A-Z].{8,99}[^.]$/, name);
    assert.ok(["look", "backup", "restore", "approve"].includes(access), name);
    assert.equal(COMMANDS.find((command) => command.name === name)?.summary, summary, name);
  }
  const others = COMMANDS.map(({ name }) => name).filter((name) => !(name in OPERATIONS));
  assert.deepEqual(
    others,
    ["init", "mcp", "serve", "key new", "key writer", "key approver", "key rotate", "key show", "completion", "sandbox", "demo"],
    "a command is an operation, or works on this machine alone",
  );
});

test("R45 what may change production passes the gate of approvals", () => {
  const free = operations.filter(({ access, ...one }) => access === "restore" && !("gate" in one)).map(({ name }) => name);
  const known = ["preview", "compare", "find", "history", "recover", "guard", "approvals request", "forget"];
  assert.deepEqual(free.sort(), known.sort(), "these leave production as it is, or refuse to set it back without approval");
  const through = operations.filter((one) => "gate" in one).map(({ name }) => name);
  assert.deepEqual(through.sort(), [...GATED_OPERATIONS].sort());
});

test("R51 requests and results accept no field that they do not name", () => {
  for (const { name, request, result, plan } of operations) {
    for (const schema of [request, result, plan?.result]) {
      if (schema === undefined) continue;
      const loose = [{ path: name, json: jsonOf(schema) }, ...fieldsOf(name, jsonOf(schema))].flatMap(({ path, json }) => {
        const at = json.items === undefined ? json : present(json.items as Json);
        return at.properties !== undefined && at.additionalProperties !== false ? [path] : [];
      });
      assert.deepEqual(loose, []);
    }
  }
});

/** Their names say what they are. */
const SAYS_ALL = new Set(
  "id name message reason note owner host user pid url exists what why warnings settings keptSegments removedSegments count directory".split(
    " ",
  ),
);
/** Values whose own schemas are checked where they are read. */
const STORED = new Set(["manifest", "record", "fingerprint", "base", "result", "details"]);

test("R51 every field has a type, and a description where its name does not say all", () => {
  const untyped = results.filter(({ name, json }) => json.type === undefined && json.enum === undefined && !STORED.has(name));
  assert.deepEqual(
    untyped.map(({ path }) => path),
    [],
  );
  const isLeaf = ({ json }: Field): boolean =>
    json.properties === undefined && (json.items === undefined || present(json.items as Json).properties === undefined);
  const mute = [...requests, ...results].filter((field) => isLeaf(field) && !field.description && !SAYS_ALL.has(field.name));
  assert.deepEqual([...new Set(mute.map(({ path }) => path))], []);
});

test("R51 durations are seconds, and what is an instant is one", () => {
  for (const { path, name, json } of results) {
    assert.doesNotMatch(name, /Ms$|Millis|Minutes$|Hours$/, path);
    const isInstant = json.format === "date-time";
    if (/At$/.test(name)) assert.ok(isInstant, path);
    if (isInstant) assert.match(name, /At$|^(?:at|time|from|to|earliest|latest)$/, path);
    if (/[sS]econds$|secondsAgo|Bytes$/.test(name))
      assert.ok(["number", "integer"].includes(String(json.type)) || json.properties?.least !== undefined, path);
  }
});

/** Names that mean one thing in one shape and another in a second one. */
const SEVERAL: Readonly<Record<string, string>> = {
  kind: "of a point, a check, a target, a route, a definition, a flaw",
  code: "of an error; of health, where there are more; of a plan: the code that it would run",
  outcome: "of a check, of a file, of an orphan",
  next: "one action of a failure; all actions after a restore",
  to: "a recovery target; an instant; a storage class",
  from: "an instant; a storage class",
  steps: "what a plan would do; what a job did",
  estimate: "before; and how good it was",
  seconds: "a duration; estimated, a range",
  jobs: "a list of them; how many an estimate is based on",
  route: "to the data; with the instant that it reaches",
  tables: "names; with their rows",
  rows: "how many; the values themselves",
  what: "in words; what a schedule runs",
  opened: "whether a seal was; alerts of one tick",
  error: "of a job with its code; of a channel, its words",
  plan: "what would be done; the drill of the configuration",
  reasons: "sentences; of status with codes",
  warnings: "sentences; of the log with codes",
  flaws: "of the log, of the repository, among the leases",
  point: "a restore point; what identifies one",
  points: "a list of them; the window that they span",
  owner: "of an object of the database; of a job",
  applied: "what was changed; whether it is not a plan",
  blocked: "settings; reasons; the reason of one setting",
  refused: "points; the reason of the log",
  removed: "what was removed; whether it was",
  left: "what is left; why one thing is",
  unasked: "providers; why one was not asked",
  log: "of status; of expire",
  entries: "of a schedule; of the audit log",
  windows: "of the log; of all",
  failures: "of due backups with what was due",
  sources: "of each operation its own",
  busy: "what another job works on; how many items were",
  state: "of a job; of an item of the queue",
};

test("R51 a field of one name has one type and one set of words everywhere", () => {
  const shapeOf = (json: Json): string => {
    const { type, enum: words, items, properties, format } = json;
    const fields = properties === undefined ? undefined : Object.keys(properties).sort();
    return JSON.stringify({
      type: type === "integer" ? "number" : type,
      words,
      format,
      fields,
      items: items === undefined ? undefined : shapeOf(present(items as Json)),
    });
  };
  const shapes = new Map<string, Map<string, string>>();
  for (const { name, json, path } of results) {
    const known = shapes.get(name) ?? new Map<string, string>();
    shapes.set(name, known.set(shapeOf(json), path));
  }
  const different = [...shapes].filter(([, known]) => known.size > 1);
  assert.deepEqual(
    different.filter(([name]) => !(name in SEVERAL)).map(([name, known]) => [name, [...known.values()]]),
    [],
  );
  assert.deepEqual(
    Object.keys(SEVERAL).filter((name) => !different.some(([one]) => one === name)),
    [],
    "these have one meaning now",
  );
});
