import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./load.ts";

const WHOLE = `version: 1
repository:
  url: file:///var/lib/lifeboat
  encryption: { recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudy0a4xsp0rjdz] }
sources:
  shop: { provider: postgres, url: \${DATABASE_URL} }
`;

const parse = (text: string, env: Record<string, string> = {}) =>
  parseConfig(text, { file: "/etc/app/lifeboat.yaml", env, cwd: "/etc/app" });

function failure(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return assert.fail("nothing was thrown");
}

test("R20 R52 half an S3 key is refused, and an empty key leaves the word to the environment", () => {
  const atS3 = (options: string): string =>
    WHOLE.replace("url: file:///var/lib/lifeboat", `url: s3://bucket/prefix\n  storage: { region: eu-central-1, ${options} }`);
  const half = failure(() => parse(atS3("accessKeyId: AKIA")));
  assert.match(half.message, /accessKeyId and secretAccessKey need each other/);
  const env = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "secret" };
  parse(atS3("accessKeyId: , secretAccessKey: "), env);
  assert.match(failure(() => parse(atS3("accessKeyId: "), { AWS_ACCESS_KEY_ID: "AKIA" })).message, /need each other/);
});

test("R37 R52 an address of a channel with a login is refused without being repeated", () => {
  const config = `${WHOLE}notify:\n  ops: { kind: slack, url: "https://user:hidden@hooks.example.com/x" }\n`;
  const refused = failure(() => parse(config));
  assert.match(refused.message, /no user and password/);
  assert.ok(!refused.message.includes("hidden"));
});
