import assert from "node:assert/strict";
import { test } from "node:test";
import { ENDPOINTS, mediaTypeOf, pathOf } from "./endpoints.ts";

test("every call has a method, a path below the project, a dated version and a role", () => {
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    assert.match(endpoint.path, /^\/[\w/{}]+$/, name);
    assert.match(mediaTypeOf(endpoint), /^application\/vnd\.atlas\.20\d\d-\d\d-\d\d\+json$/, name);
    assert.match(endpoint.role, /^Project /, name);
  }
});

test("names in a path are encoded", () => {
  assert.equal(pathOf(ENDPOINTS.readSnapshot, { cluster: "a/b", id: "c d" }), "/clusters/a%2Fb/backup/snapshots/c%20d");
});
