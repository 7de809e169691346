// What the configuration says of sources at several providers: each option serves its own provider, and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError, type LifeboatError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { type Config, parseConfig } from "./load.ts";

const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudy0a4xsp0rjdz";
const WHOLE = `version: 1
repository: { url: file:///b, encryption: { recipients: [${RECIPIENT}] } }
sources:
  shop: { provider: neon, projectId: quiet-sea, policy: both }
  sessions:
    provider: atlas
    groupId: 65a1b2c3d4e5f60718293a4b
    cluster: theecopy
    policy: both
    checks:
      - { collection: users, rows: { min: 1 } }
      - { collection: users, aggregate: '[{ "$count": "n" }]', name: counted }
  legacy: { provider: mongodb, url: "mongodb://h/shop", consistency: oplog }
policies:
  both: { snapshots: [{ name: "backup-{date}", cron: "0 0 * * *", keep: 30d }] }
`;

const parse = (text: string, env: Record<string, string> = {}): Config =>
  parseConfig(text, { file: "/etc/app/lifeboat.yaml", env, cwd: "/etc/app" });

/** The provider's options of a source; a secret with its origin. */
function own(config: Config, source: string): Readonly<Record<string, unknown>> {
  const entries = Object.entries(config.source(source).own.read());
  return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof Secret ? `[${value.origin}] ${value.read()}` : value]));
}

function wrong(from: string, to: string): LifeboatError {
  assert.ok(WHOLE.includes(from), from);
  try {
    parse(WHOLE.replace(from, to));
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  return assert.fail(`nothing was thrown for ${to}`);
}

test("R52 one variable's address never serves another provider: each has its own", () => {
  const env = { NEON_API_HOST: "http://neon", ATLAS_API_HOST: "http://atlas", NEON_API_KEY: "k", ATLAS_USER: "u", ATLAS_PASSWORD: "pw-pw" };
  const config = parse(WHOLE, env);
  const [shop, sessions, legacy] = ["shop", "sessions", "legacy"].map((name) => own(config, name));
  assert.deepEqual([shop?.apiHost, sessions?.apiHost, legacy?.apiHost], ["http://neon", "http://atlas", undefined]);
  assert.deepEqual([shop?.apiKey, sessions?.apiKey, shop?.user, sessions?.user], ["[NEON_API_KEY] k", undefined, undefined, "u"]);
  assert.ok(config.secrets.includes("pw-pw"));
  assert.equal(own(parse(WHOLE, { NEON_API_HOST: "http://neon" }), "sessions").apiHost, undefined);
});

test("R52 a key in the file is used, even when the environment has one of the other kind", () => {
  const env = { ATLAS_CLIENT_ID: "id", ATLAS_CLIENT_SECRET: "secret" };
  assert.equal(own(parse(WHOLE, env), "sessions").clientId, "id");
  const keyed = parse(WHOLE.replace("cluster: theecopy", "cluster: theecopy\n    publicKey: abcdefgh\n    privateKey: 123-456"), env);
  const { publicKey, clientId } = own(keyed, "sessions");
  assert.deepEqual([publicKey, clientId], ["abcdefgh", undefined]);
});

test("R52 one policy serves providers that make points in different ways, as long as it leaves open how", () => {
  assert.equal(parse(WHOLE).policies.both?.snapshots[0]?.by, undefined);
  const error = wrong("keep: 30d }", "keep: 30d, by: branch }");
  assert.match(
    error.message,
    /:15:\d+: policies.both.snapshots\[0\].by: sources.sessions follows this policy, and provider atlas makes no branch/,
  );
});

const WRONG: readonly (readonly [title: string, from: string, to: string, said: RegExp])[] = [
  [
    "a connection string of another kind",
    "mongodb://h/shop",
    "postgres://h/shop",
    /:13:37: sources.legacy.url must be a connection string that starts with mongodb:\/\/ or mongodb\+srv:\/\/$/,
  ],
  [
    "a scratch server of another kind",
    "consistency: oplog }",
    "scratch: { url: postgres://h/x } }",
    /:13:\d+: sources.legacy.scratch.url must be a connection string that starts with mongodb/,
  ],
  ["no cluster", "    cluster: theecopy\n", "", /:5:3: sources.sessions: provider atlas needs cluster$/],
  [
    "another provider's option",
    "cluster: theecopy",
    "cluster: theecopy\n    branch: main",
    /:9:5: .*provider atlas has no option branch: remove it/,
  ],
  ["half a key", "cluster: theecopy", "cluster: theecopy\n    clientId: x", /clientId needs clientSecret beside it/],
  [
    "two keys",
    "cluster: theecopy",
    "cluster: theecopy\n    clientId: x\n    clientSecret: y\n    publicKey: z\n    privateKey: w",
    /two answers to one question/,
  ],
  [
    "one database and several",
    "cluster: theecopy",
    "cluster: theecopy\n    database: a\n    databases: [b]",
    /:10:\d+: sources.sessions.databases: database and databases are two answers/,
  ],
  [
    "several databases beside the URL's own",
    "consistency: oplog",
    "databases: [a]",
    /:13:\d+: sources.legacy.databases: .*names a database already/,
  ],
  [
    "a query of SQL in MongoDB",
    "{ collection: users, rows: { min: 1 } }",
    "{ sql: select 1 }",
    /:11:11: sources.sessions.checks\[0\]: provider atlas has no sql: use `collection`/,
  ],
  [
    "a pipeline in PostgreSQL",
    "projectId: quiet-sea",
    `projectId: quiet-sea, checks: [{ collection: t, aggregate: '[{"$count":"n"}]' }]`,
    /:4:\d+: .*provider neon has no aggregate: use `sql`/,
  ],
  [
    "a pipeline without its collection",
    "collection: users, aggregate",
    "aggregate",
    /a check has either `table` or `sql`, or `collection`/,
  ],
  [
    "a pipeline that is none",
    `'[{ "$count": "n" }]'`,
    "'{ $count: n }'",
    /:12:\d+: sources.sessions.checks\[1\].aggregate must be a pipeline in JSON/,
  ],
  ["a question beside a pipeline", "name: counted", "rows: { min: 1 }", /`rows` belongs to a check of a table, not of a pipeline/],
  ["a name of a question", "rows: { min: 1 } }", "rows: { min: 1 }, name: x }", /`name` belongs to a check with `sql` or `aggregate`/],
  ["a slot of a log without", "consistency: oplog", "archive: { slot: x }", /:13:\d+: sources.legacy.archive has no option "slot"/],
  [
    "an amount of log that is kept back for a slot",
    "consistency: oplog",
    "archive: { maxBehind: 1GB }",
    /:13:\d+: .*has no option "maxBehind"/,
  ],
  ["a misspelt key provider", "both: {", "both: { encryptionProvider: amazon,", /must be one of aws, azure, gcp, not "amazon"/],
];

for (const [title, from, to, said] of WRONG) {
  test(`R52 the place is named when there is ${title}`, () => {
    const error = wrong(from, to);
    assert.match(error.message, said);
    assert.equal(error.code, "CONFIG_INVALID");
  });
}

test("R29 the promise for all sources together is configured at the first level", () => {
  assert.deepEqual(parse(`${WHOLE}objectives: { rto: 20m }\n`).objectives, { rtoSeconds: 1200 });
});
