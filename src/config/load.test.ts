import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isLifeboatError, type LifeboatError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { type Config, loadConfig, parseConfig } from "./load.ts";
import type { Problem } from "./position.ts";
import { chmodHint, isExposed } from "./secret-file.ts";

const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudy0a4xsp0rjdz";

const WHOLE = `version: 1
repository:
  url: file:///var/lib/lifeboat
  encryption: { recipients: [${RECIPIENT}], identityFile: \${LIFEBOAT_IDENTITY} }
sources:
  shop:
    provider: postgres
    url: \${DATABASE_URL}
    policy: dumps
    objectives: { rto: 15m, rpo: 1m }
    checks:
      - { table: users, newest: created_at, within: 1h }
      - { sql: "select count(*) > 0 from projects" }
  legacy: { provider: postgres, url: \${LEGACY_URL} }
policies:
  dumps:
    backups:
      - { tier: daily, cron: "0 2 * * *", keep: 30d }
      - { tier: monthly, cron: "0 2 1 * *", keep: 1y, storageClass: DEEP_ARCHIVE }
      - { tier: major, cron: "0 3 1 1 *", keep: forever, name: "major-{date}" }
drills:
  monthly: { sources: [shop], cron: "0 6 * * 0#1", to: "-7d", name: "drill-{month}" }
`;

const parse = (text: string, env: Record<string, string> = {}): Config =>
  parseConfig(text, { file: "/etc/app/lifeboat.yaml", env, cwd: "/etc/app" });

function failure(work: () => unknown): LifeboatError {
  try {
    work();
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  return assert.fail("nothing was thrown");
}

/** The connection string of a source, where it can be had. */
function urlOf(config: Config, source: string): string {
  const { url } = config.source(source).own.read();
  assert.ok(url instanceof Secret);
  return url.read();
}

/** What is said of the whole configuration after one change. */
function wrong(from: string, to: string): LifeboatError {
  assert.ok(WHOLE.includes(from), from);
  return failure(() => parse(WHOLE.replace(from, to)));
}

test("R52 a whole configuration is read: durations in their units, defaults filled, names kept", () => {
  const config = parse(WHOLE, { DATABASE_URL: "postgres://a:b@h/shop" });
  assert.equal(urlOf(config, "shop"), "postgres://a:b@h/shop");
  assert.deepEqual(config.sources.shop?.objectives, { rtoSeconds: 900, rpoSeconds: 60 });
  assert.deepEqual(config.sources.shop?.checks, [
    { table: "users", newest: "created_at", withinMs: 3_600_000 },
    { sql: "select count(*) > 0 from projects" },
  ]);
  assert.deepEqual(config.policies.dumps?.backups[2], { tier: "major", cron: "0 3 1 1 *", keep: "forever", name: "major-{date}" });
  assert.equal(config.policies.dumps?.keepManual, "forever");
  assert.equal(config.drills.monthly?.to, "-7d");
  assert.deepEqual(config.repository.encryption.recipients, [RECIPIENT]);
  assert.equal(config.file, "/etc/app/lifeboat.yaml");
});

test("R52 a variable that is not set is an error where its value is read, with its name and place", () => {
  const config = parse(WHOLE, { DATABASE_URL: "postgres://h/shop" });
  assert.equal(urlOf(config, "shop"), "postgres://h/shop");
  const error = failure(() => urlOf(config, "legacy"));
  assert.equal(error.code, "SECRET_MISSING");
  assert.equal(error.message, "lifeboat.yaml:14:38: sources.legacy.url needs the environment variable LEGACY_URL, which is not set");
  assert.equal(error.details.variable, "LEGACY_URL");
  assert.equal(failure(() => config.repository.encryption.identityFile?.read()).code, "SECRET_MISSING");
});

test("an environment variable fills what the file leaves open, and never overrules what it says", () => {
  const open = WHOLE.replace(", identityFile: ${LIFEBOAT_IDENTITY}", "");
  assert.equal(parse(open, { LIFEBOAT_IDENTITY_FILE: "/keys/id" }).repository.encryption.identityFile?.read(), "/keys/id");
  const said = WHOLE.replace("${LIFEBOAT_IDENTITY}", "/said");
  assert.equal(parse(said, { LIFEBOAT_IDENTITY_FILE: "/keys/id" }).repository.encryption.identityFile?.read(), "/said");
  const error = failure(() => parse(WHOLE.replace("  url: file:///var/lib/lifeboat\n", ""), { LIFEBOAT_REPOSITORY: "ftp://x" }));
  assert.match(error.message, /LIFEBOAT_REPOSITORY, which gives repository.url, must be an address/);
});

test("references need no quotes inside braces, have defaults, and never become syntax", () => {
  const text = WHOLE.replace("url: ${DATABASE_URL}\n", 'url: "postgres://${U:-app}:${PW}@h/${DB:-a, b}"\n');
  const config = parse(text, { PW: 'x"\n}: [' });
  assert.equal(urlOf(config, "shop"), 'postgres://app:x"\n}: [@h/a, b');
  const escaped = parse(WHOLE.replace("count(*) > 0", () => "'$${A}'"));
  assert.deepEqual(escaped.sources.shop?.checks[1], { sql: "select '${A}' from projects" });
  assert.match(wrong("${DATABASE_URL}", "${not a name}").message, /lifeboat.yaml:8:10: \$\{not a name\} is not a reference/);
});

test("relative paths and places start at the folder of the file", () => {
  const text = WHOLE.replace("file:///var/lib/lifeboat", "file://./backups").replace("${LIFEBOAT_IDENTITY}", "keys/id.txt");
  assert.equal(parse(text).repository.url, "file:///etc/app/backups");
  assert.equal(parse(text).repository.encryption.identityFile?.read(), "/etc/app/keys/id.txt");
  const witness = (url: string) => parse(`${WHOLE}audit: { witnesses: { other: { url: "${url}" } } }\n`).audit.witnesses.other?.url;
  assert.equal(witness("file://./witness"), "file:///etc/app/witness");
  assert.throws(() => witness("file:./witness"), /witnesses\.other\.url must be an address that starts with file:\/\//);
});

const WRONG: readonly (readonly [title: string, from: string, to: string, said: RegExp])[] = [
  ["an unknown option", "policies:", "polices:", /:15:1: the configuration has no option "polices"; did you mean "policies"\?/],
  [
    "an unknown option deep inside",
    "within: 1h",
    "wihtin: 1h",
    /:12:\d+: sources.shop.checks\[0\] has no option "wihtin"; did you mean "within"\?/,
  ],
  ["a missing option", "    provider: postgres\n", "", /:6:3: sources.shop lacks "provider"/],
  [
    "a duration in words",
    "keep: 30d",
    "keep: 30 days",
    /:18:\d+: policies.dumps.backups\[0\].keep is wrong: "30 days" is not a duration; did you mean 30d\?/,
  ],
  ["a duration without a unit", "rto: 15m", "rto: 15", /:10:\d+: sources.shop.objectives.rto is wrong: "15" is not a duration/],
  ["a schedule of four fields", '"0 2 * * *"', '"0 2 * *"', /:18:\d+: .*cron is wrong: .*five fields/],
  ["a schedule that never comes", '"0 2 1 * *"', '"0 2 31 2 *"', /:19:\d+: .*no such day/],
  ["a pattern with an unknown placeholder", "major-{date}", "major-{dat}", /placeholder \{dat\}; did you mean "date"/],
  [
    "a policy that is not there",
    "policy: dumps",
    "policy: dump",
    /:9:13: .*no policy is called "dump" \(there are dumps\); did you mean "dumps"\?/,
  ],
  [
    "a drill of no source",
    "sources: [shop]",
    "sources: [shpo]",
    /:22:\d+: drills.monthly: no source is called "shpo"; did you mean "shop"\?/,
  ],
  ["a tier twice", "tier: monthly", "tier: daily", /:19:\d+: policies.dumps has the tier "daily" twice/],
  [
    "another provider",
    "provider: postgres\n",
    "provider: mysql\n",
    /:7:15: sources.shop.provider must be one of postgres, neon, mongodb, atlas, not "mysql"$/,
  ],
  ["no recipients", `recipients: [${RECIPIENT}], `, "", /:4:3: repository.encryption: nothing could open a backup/],
  ["a recipient cut short", RECIPIENT, "age1ql3z7hjy54", /:4:\d+: repository.encryption.recipients\[0\] must be an age recipient/],
  ["a list that is none", `[${RECIPIENT}]`, RECIPIENT, /recipients must be a list of age recipients/],
  ["a section that is none", "{ rto: 15m, rpo: 1m }", "15m", /:10:17: sources.shop.objectives must be a section/],
  ["a list where sections have names", "drills:\n", "notify: [{ kind: slack }]\ndrills:\n", /:\d+:9: notify must be sections by name$/],
  ["a port that is none", "drills:\n", "server: { port: 80000 }\ndrills:\n", /server.port must be a whole number from 0 to 65535$/],
  ["another version", "version: 1", "version: 2", /:1:10: version must be 1, the only format/],
  [
    "a check of nothing",
    "- { table: users, newest: created_at, within: 1h }",
    "- { rows: { min: 1 } }",
    /a check has either `table` or `sql`/,
  ],
  ["a check half said", ", within: 1h", "", /`newest` and `within` need each other/],
  [
    "a place that is none",
    "file:///var/lib/lifeboat",
    "/var/lib/lifeboat",
    /:3:8: repository.url must be an address that starts with file:\/\/ or s3:\/\//,
  ],
  ["an identity where a recipient belongs", RECIPIENT, "AGE-SECRET-KEY-1QQQQ", /must be a recipient \(age1…\), never the identity itself/],
  ["a key twice", "    policy: dumps\n", "    policy: dumps\n    policy: dumps\n", /:10:5: this key is here a second time/],
  ["tabs", "  url: file", "\turl: file", /:3:1: this is not YAML: tabs cannot indent: use spaces/],
  ["an open brace", "{ sources: [shop],", "{ sources: [shop", /lifeboat.yaml:\d+:\d+: this is not YAML/],
  ["a second document", "drills:\n", "---\ndrills:\n", /a second document starts here/],
];

for (const [title, from, to, said] of WRONG) {
  test(`R52 the place is named, and the nearest valid word, when there is ${title}`, () => {
    const error = wrong(from, to);
    assert.match(error.message, said);
    assert.equal(error.code, "CONFIG_INVALID");
    const [problem] = error.details.problems as readonly Problem[];
    assert.ok(problem !== undefined);
    const [line = "", caret = ""] = problem.excerpt.split("\n");
    assert.equal(caret.indexOf("^"), `${problem.line} | `.length + problem.column - 1, `${line}\n${caret}`);
  });
}

test("R52 a name that cannot be one is NAME_INVALID, at the place of the name", () => {
  const error = wrong("  legacy:", '  "le gacy":');
  assert.equal(error.code, "NAME_INVALID");
  assert.match(error.message, /lifeboat.yaml:14:3: /);
  assert.match(wrong("  legacy:", "  SHOP:").message, /differ in case only/);
});

test("every problem is told at once, in the order of the file", () => {
  const error = failure(() => parse(WHOLE.replace("keep: 30d", "keep: x").replace("rto: 15m", "rto: y")));
  assert.match(error.message, /:10:\d+: .* \(and 1 more\)$/);
  assert.deepEqual(
    (error.details.problems as readonly Problem[]).map((problem) => problem.line),
    [10, 18],
  );
});

test("no message repeats a secret of the file", () => {
  for (const bad of [
    'url: "postgress://app:hunter2@h/x"',
    "url: [postgres://app:hunter2@h/x]",
    "pasword: hunter2",
    "url: postgres://app:hunter2@h/x: y",
  ]) {
    const error = wrong("url: ${DATABASE_URL}", bad);
    assert.doesNotMatch(JSON.stringify([error.message, error.details]), /hunter2/, bad);
  }
});

test("secrets that were read are known for redaction, passwords in both their forms", () => {
  const config = parse(WHOLE, { DATABASE_URL: "postgres://app:p%40ssword@h/shop" });
  assert.deepEqual([...config.secrets], ["p%40ssword", "p@ssword"]);
});

test("an unknown source is named, with the nearest one", () => {
  const error = failure(() => parse(WHOLE).source("shpo"));
  assert.equal(error.code, "SOURCE_UNKNOWN");
  assert.equal(error.message, 'no source is called "shpo" (there are shop, legacy); did you mean "shop"?');
  assert.equal(failure(() => parse(WHOLE).source("toString")).code, "SOURCE_UNKNOWN");
});

test("aliases are followed, and one that contains itself or multiplies without end is refused", () => {
  const text = WHOLE.replace("objectives: {", "objectives: &o {").replace(
    "legacy: { provider: postgres,",
    "legacy: { provider: postgres, objectives: *o,",
  );
  assert.deepEqual(parse(text).sources.legacy?.objectives, { rtoSeconds: 900, rpoSeconds: 60 });
  assert.match(failure(() => parse("a: &a [*a]")).message, /contains itself/);
  const laughs = ["a0: &a0 [x, x]", ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)].join("\n");
  assert.match(failure(() => parse(laughs)).message, /too many values/);
});

test("an empty file, and none, are told apart", (t) => {
  assert.match(failure(() => parse("")).message, /lifeboat.yaml:1:1: the file is empty/);
  assert.match(failure(() => parse("# nothing\n")).message, /the file is empty/);
  const cwd = folder(t);
  assert.equal(failure(() => loadConfig({ env: {}, cwd })).code, "CONFIG_MISSING");
});

test("a secret comes from a file of its own, which others must not be able to read", (t) => {
  const cwd = folder(t);
  const secret = join(cwd, "url");
  writeFileSync(secret, "postgres://app:hunter2@h/shop\n", { mode: 0o600 });
  writeFileSync(join(cwd, "lifeboat.yaml"), WHOLE.replace("${DATABASE_URL}", "${file:url}"));
  const config = loadConfig({ env: {}, cwd });
  assert.equal(urlOf(config, "shop"), "postgres://app:hunter2@h/shop");
  assert.ok(config.secrets.includes("hunter2"));

  chmodSync(secret, 0o644);
  const error = failure(() => urlOf(loadConfig({ env: {}, cwd }), "shop"));
  assert.equal(error.code, "SECRET_EXPOSED");
  assert.match(error.message, /lifeboat.yaml:8:10: sources.shop.url: the secret's file .*url can be read by others/);
  assert.equal(error.hint, `run \`chmod 600 ${secret}\``);
  rmSync(secret);
  assert.match(failure(() => urlOf(loadConfig({ env: {}, cwd }), "shop")).message, /is not there/);
});

test("R56 a file with a secret that others can read is exposed; one that refers to secrets is not", (t) => {
  const cwd = folder(t);
  const file = join(cwd, "lifeboat.yaml");
  const exposed = (mode: number, url: string): boolean => {
    writeFileSync(file, WHOLE.replace("${DATABASE_URL}", url), { mode });
    chmodSync(file, mode);
    return loadConfig({ env: { DATABASE_URL: "postgres://app:hunter2@h/shop" }, cwd }).exposed;
  };
  assert.equal(exposed(0o644, "postgres://app:hunter2@h/shop"), true);
  assert.equal(exposed(0o640, "postgres://app:hunter2@h/shop"), true);
  assert.equal(exposed(0o600, "postgres://app:hunter2@h/shop"), false);
  assert.equal(exposed(0o644, "${DATABASE_URL}"), false);
  assert.equal(exposed(0o644, "postgres://app@h/shop"), false, "an address without a password is not a secret");
});

test("R56 mounted secrets are recognised by their real path, and a hint can be pasted", () => {
  assert.equal(isExposed("/run/secrets/url", 0o100444), false);
  assert.equal(isExposed("/run/secrets/../../home/ann/url", 0o100444), true);
  assert.equal(isExposed("/home/ann/url", 0o100600), false);
  assert.equal(chmodHint("/home/ann's files/url"), "run `chmod 600 '/home/ann'\\''s files/url'`");
});

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "config-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}
