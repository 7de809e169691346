import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DRIVER_VERSION } from "./facts.ts";

test("the driver is called by the version that is installed", () => {
  const { dependencies } = JSON.parse(readFileSync(new URL("../../../../package.json", import.meta.url), "utf8"));
  assert.equal(dependencies.mongodb, DRIVER_VERSION);
});
