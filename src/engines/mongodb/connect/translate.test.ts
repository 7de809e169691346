import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { MongoServerError } from "mongodb";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { openMongo } from "./connect.ts";
import { translateMongoError } from "./translate.ts";
import { connectionFromUrl } from "./url.ts";

const connection = connectionFromUrl("mongodb://me:s3cr3t@127.0.0.1:1/shop");
const server = (code: number, errmsg = "it said no") => new MongoServerError({ ok: 0, code, errmsg, message: errmsg });
const codeOf = (error: unknown): ErrorCode | undefined => {
  const told = translateMongoError(error, connection);
  return told instanceof LifeboatError ? told.code : undefined;
};

test("what a server refuses is told by what it means for the user", () => {
  assert.deepEqual(
    [18, 13, 8000, 239, 246, 43, 175, 136, 91, 10_107, 50].map((code) => codeOf(server(code))),
    [
      "SOURCE_AUTH",
      "SOURCE_PERMISSION",
      "SOURCE_PERMISSION",
      "SNAPSHOT_TOO_OLD",
      "SNAPSHOT_TOO_OLD",
      "SOURCE_CHANGED",
      "SOURCE_CHANGED",
      "SOURCE_CHANGED",
      "SOURCE_UNREACHABLE",
      "SOURCE_UNREACHABLE",
      "SOURCE_UNREACHABLE",
    ],
  );
  assert.equal(codeOf(server(8000, "bad auth : authentication failed")), "SOURCE_AUTH");
  assert.equal(codeOf(server(8000, "not authorized on shop to execute command")), "SOURCE_PERMISSION");
});

test("an error that means nothing special stays itself, or takes the code of the work at hand", () => {
  const odd = server(9);
  assert.equal(translateMongoError(odd, connection), odd);
  assert.ok(isLifeboatError(translateMongoError(odd, connection, { otherwise: "LOAD_FAILED" }), "LOAD_FAILED"));
});

test("a password in a foreign message is taken out, and the error that holds it is not passed on", () => {
  const told = translateMongoError(server(18, "no login for me with s3cr3t at mongodb://me:s3cr3t@h/"), connection);
  assert.ok(told instanceof LifeboatError);
  assert.ok(!told.message.includes("s3cr3t"));
  assert.equal(told.cause, undefined);
});

test("the reason of an abort is the first cause", () => {
  const reason = new LifeboatError("LEASE_LOST", "another job has it");
  assert.equal(translateMongoError(server(13), connection, { signal: AbortSignal.abort(reason) }), reason);
});

test("nothing listening, an unknown host and a wrong option are each told as what they are", async () => {
  const open = (url: string) => openMongo(connectionFromUrl(url), { connectTimeoutMs: 1500 });
  await assert.rejects(
    open("mongodb://127.0.0.1:1/shop"),
    (error) => isLifeboatError(error, "SOURCE_UNREACHABLE") && /nothing listens/.test(error.message),
  );
  await assert.rejects(open("mongodb://nowhere.invalid/shop"), (error) => isLifeboatError(error, "SOURCE_UNREACHABLE"));
  await assert.rejects(open("mongodb://h/shop?loadBalanced=maybe"), (error) => isLifeboatError(error, "CONFIG_INVALID"));
  await assert.rejects(open("mongodb://127.0.0.1:1/shop?tls=true&tlsCAFile=/nowhere/ca.pem"), (error) =>
    isLifeboatError(error, "CONFIG_INVALID"),
  );
  await assert.rejects(open("mongodb://h/shop?tls=true&ssl=false"), (error) => isLifeboatError(error, "CONFIG_INVALID"));
});

test("a server that accepts the connection and never answers meets a deadline, or the abort", async (t) => {
  const silent = createServer((socket) => void socket.on("error", () => {}));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => silent.close());
  const { port } = silent.address() as { port: number };
  const url = `mongodb://127.0.0.1:${port}/shop`;
  await assert.rejects(openMongo(connectionFromUrl(url), { connectTimeoutMs: 500 }), (error) =>
    isLifeboatError(error, "SOURCE_UNREACHABLE"),
  );
  const abort = new AbortController();
  const reason = new LifeboatError("CANCELLED", "stopped on request");
  setTimeout(() => abort.abort(reason), 50);
  await assert.rejects(openMongo(connectionFromUrl(url), { signal: abort.signal }), (error) => error === reason);
});
