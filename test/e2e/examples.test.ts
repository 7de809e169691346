// Every example configuration loads, with nothing but the variables that it names.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { EXAMPLES, exampleEnvironment } from "../support/calendar.ts";

const files = readdirSync(EXAMPLES).filter((name) => name.endsWith(".yaml"));

test("there is an example for each of the five policies", () => {
  assert.deepEqual(
    files.filter((name) => name.startsWith("policy-")).sort(),
    ["a", "b", "c", "d", "e"].map((letter) => `policy-${letter}.yaml`),
  );
});

for (const file of files) {
  test(`example ${file} is a valid configuration`, async (t) => {
    const env = await exampleEnvironment(t);
    const config = loadConfig({ file: join(EXAMPLES, file), env, cwd: EXAMPLES });
    assert.ok(Object.keys(config.sources).length > 0);
    // Reading every section asks for every variable.
    for (const source of Object.values(config.sources)) assert.ok(source.policy !== undefined && source.policy in config.policies);
    assert.equal(config.repository.encryption.recipients.length, 1);
  });
}
