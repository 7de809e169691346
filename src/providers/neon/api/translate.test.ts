import assert from "node:assert/strict";
import { test } from "node:test";
import { SERVICE, translateFailure } from "./translate.ts";

const { hadNoEffect, passes } = SERVICE;

const same = (text: string): string => text;

/** Answers as they were seen or documented, and what the user gets. */
const CASES = [
  [401, "", "supplied credentials do not pass authentication", "PROVIDER_AUTH"],
  [403, "", "forbidden", "PROVIDER_AUTH"],
  [404, "", "branch not found", "PROVIDER_NOT_FOUND"],
  [409, "", 'branch with the provided name "x" already exists', "PROVIDER_REFUSED"],
  [412, "", "suspend timeout cannot be set", "PROVIDER_REFUSED"],
  [422, "BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded", "PROVIDER_LIMIT"],
  [422, "", "ROOT_BRANCHES_LIMIT_EXCEEDED", "PROVIDER_LIMIT"],
  [
    400,
    "",
    'requested history retention seconds exceeds allowed maximum; requested_history_retention_seconds:"86400", max:"21600"',
    "PROVIDER_LIMIT",
  ],
  [402, "COMPUTE_TIME_EXCEEDED", "quota", "PROVIDER_LIMIT"],
  [422, "", "branch not ready yet", "PROVIDER_BUSY"],
  [423, "", "project already has running conflicting operations, scheduling of new ones is prohibited", "PROVIDER_BUSY"],
  [429, "", "rate limit", "PROVIDER_BUSY"],
  [500, "", "internal", "PROVIDER_FAILED"],
  [503, "", "unavailable", "PROVIDER_FAILED"],
  [200, "", "the answer broke off", "PROVIDER_FAILED"],
  [undefined, "", "ECONNRESET", "PROVIDER_UNREACHABLE"],
  [400, "", "branch name is too long", "PROVIDER_REFUSED"],
] as const;

for (const [status, code, message, expected] of CASES) {
  test(`${status ?? "no answer"} ${code || message.slice(0, 40)} is ${expected}`, () => {
    const error = translateFailure({ status, code, message }, "do it", same);
    assert.equal(error.code, expected);
    assert.match(error.message, /do it|API key/);
  });
}

test("a limit is named for users, also one that is not in the table", () => {
  const limitOf = (code: string): unknown => translateFailure({ status: 422, code, message: "" }, "do it", same).details.limit;
  assert.equal(limitOf("BRANCHES_PROTECTED_LIMIT_EXCEEDED"), "protected branches");
  assert.equal(limitOf("ACTIVE_ENDPOINTS_LIMIT_EXCEEDED"), "active computes");
  assert.equal(limitOf("FLYING_CARPETS_LIMIT_EXCEEDED"), "flying carpets");
});

test("only what is documented as safe is repeated blindly", () => {
  for (const status of [423, 429, 503]) assert.ok(hadNoEffect({ status, message: "" }));
  for (const status of [200, 400, 404, 409, 500, 502, 504]) assert.ok(!hadNoEffect({ status, message: "" }));
  assert.ok(hadNoEffect({ message: "ECONNREFUSED" }));
  assert.ok(!hadNoEffect({ message: "ECONNRESET" }));
});

test("what will not pass by itself is not tried again", () => {
  for (const status of [400, 401, 403, 404, 409, 412, 422]) assert.ok(!passes({ status, message: "no" }));
  for (const status of [201, 408, 423, 429, 500, 502, 503]) assert.ok(passes({ status, message: "" }));
});

test("secrets are taken out of messages", () => {
  const error = translateFailure({ status: 400, message: "key k3y is odd" }, "do it", (text) => text.replaceAll("k3y", "***"));
  assert.ok(!error.message.includes("k3y"));
});
