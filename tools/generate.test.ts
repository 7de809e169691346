import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { configurationPage } from "./pages/configuration.ts";
import { editorSchema } from "./pages/schema.ts";
import { staleDocuments } from "./stale.ts";

test("the generated documents say what they are generated from", async () => {
  assert.deepEqual(await staleDocuments(), [], "run `npm run generate`");
});

test("R52 the editor's schema has every option, marks required ones, and allows references for any value", () => {
  const schema = JSON.parse(editorSchema());
  assert.deepEqual(schema.required, ["version", "repository", "sources"]);
  const source = schema.properties.sources.additionalProperties;
  assert.equal(source.additionalProperties, false);
  assert.deepEqual(source.required, ["provider"]);
  assert.match(source.properties.url.description, /Connection string/);
  const { rto } = source.properties.objectives.properties;
  for (const written of ["15m", "1h30m", "${RTO}"]) assert.ok(matches(rto, written), written);
  for (const written of ["15", "soon"]) assert.ok(!matches(rto, written), written);
});

test("every example of the configuration's page is YAML", () => {
  const examples = [...configurationPage().matchAll(/Example: `([^`]+)`/g)].map((match) => match[1] ?? "");
  assert.ok(examples.length > 20);
  for (const example of examples) assert.doesNotThrow(() => parse(`option: ${example}`), example);
});

function matches(schema: { readonly anyOf: readonly { readonly pattern?: string }[] }, value: string): boolean {
  return schema.anyOf.some(({ pattern }) => pattern !== undefined && new RegExp(pattern).test(value));
}
