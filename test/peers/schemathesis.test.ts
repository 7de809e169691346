// The API against its own description: schemathesis sends what the description allows and what it forbids.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROLE_NAMES } from "../../src/core/people.ts";
import { beginWorld } from "../support/program.ts";
import { beginService } from "../support/service.ts";

const PLACE = join(import.meta.dirname, "clients/schemathesis");
const SEED = 4711;

/** Sources and storages that do not answer are described answers; 500 is not. */
const SETTINGS = `
[phases.coverage]
unexpected-methods = ["DELETE"]
generate-duplicate-query-parameters = false

[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "502", "503"]
positive_data_acceptance.expected-statuses = ["2xx", "303", "304", "401", "403", "404", "409", "422", "429", "502", "503"]
`;

test("R51 schemathesis finds no 500 and no answer that the API's description does not allow", {
  skip: existsSync(PLACE) ? false : "run test/peers/clients/install-python.sh",
}, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: { url: "postgres://lifeboat:pw@127.0.0.1:1/shop", label: "shop" } },
    yaml: "people: { requestsPerMinute: 1000000, signInsPerMinute: 1000000 }\n",
  });
  const service = await beginService(world);
  const token = await service.token(ROLE_NAMES);
  const settings = join(world.directory, "schemathesis.toml");
  writeFileSync(settings, SETTINGS);
  const found = await promisify(execFile)(
    "python3",
    [
      ...["-m", "schemathesis.cli", "--config-file", settings, "run", `${service.url}/api/openapi.json`],
      ...["-H", `Authorization: Bearer ${token}`, "--seed", String(SEED), "--workers", "1", "--max-examples", "3"],
      ...["--phases", "examples,coverage,fuzzing", "--no-color", "--max-failures", "20"],
    ],
    { cwd: world.directory, env: { ...process.env, PYTHONPATH: PLACE }, maxBuffer: 64 * 1024 * 1024, timeout: 300_000 },
  ).catch((error: { readonly stdout?: string; readonly stderr?: string }) => error);
  const told = `${found.stdout}\n${found.stderr}`;
  assert.ok(!(found instanceof Error), told);
  const [, cases = "0"] = /(\d+) generated/.exec(told) ?? [];
  assert.ok(Number(cases) > 200, told);
  assert.doesNotMatch(service.lines.join("\n"), /an unexpected error|lbt_/);
});
