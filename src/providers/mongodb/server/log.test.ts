import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonIn } from "./log.ts";

test("the worst line of a server's log says why it did not start; without one, the last", () => {
  const line = (s: string, msg: string, attr?: object) => JSON.stringify({ s, c: "CONTROL", msg, attr });
  assert.equal(
    reasonIn(
      [line("I", "starting"), line("E", "Error setting up listener", { error: "Address already in use" }), line("I", "bye")].join("\n"),
    ),
    "Error setting up listener: Address already in use",
  );
  assert.equal(reasonIn("Error parsing command line: unrecognised option\ntry 'mongod --help'\n"), "try 'mongod --help'");
  assert.equal(reasonIn(""), "");
});
