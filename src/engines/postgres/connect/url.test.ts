import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import pg from "pg";
import { isLifeboatError } from "../../../core/errors.ts";
import { directConnection } from "./pooled.ts";
import { databaseArgument, programEnvironment, secretsOf } from "./programs.ts";
import { programOptions } from "./settings.ts";
import { connectionFromParts, connectionFromUrl, formatPostgresUrl, parsePostgresUrl, partsOf } from "./url.ts";

const PASSWORD = "p@ss:w/o?r#d% é";

test("addresses are read as libpq reads them", () => {
  const cases: readonly (readonly [string, object])[] = [
    ["postgres://u:p@h:6000/d", { host: "h", port: 6000, user: "u", password: "p", database: "d" }],
    ["postgresql://u@h/d", { host: "h", port: 5432, user: "u", password: undefined, database: "d" }],
    ["postgres://u:p@[::1]:5433/d", { host: "::1", port: 5433 }],
    ["postgres://u@/d?host=/run/pg&port=5440", { host: "/run/pg", port: 5440, database: "d" }],
    ["postgres://u@%2Frun%2Fpg/d", { host: "/run/pg", port: 5432 }],
    ["postgres://u:a%40b%2Fc@h/my%20db", { password: "a@b/c", database: "my db" }],
    ["postgres://u@h", { database: "u" }],
  ];
  for (const [url, expected] of cases) {
    const parts = parsePostgresUrl(url, {});
    for (const [name, value] of Object.entries(expected)) assert.equal(parts[name as keyof typeof parts], value, `${name} of ${url}`);
  }
});

test("a written address is read back the same, with any names and passwords", () => {
  for (const host of ["db.example", "::1", "/run/odd dir"]) {
    for (const database of ["d", `o'dd "n=a\\me`, "postgres://evil/x", "host=evil", "a/b?c#d", "%41"]) {
      const parts = {
        host,
        port: 5433,
        user: "u:s@r",
        password: PASSWORD,
        database,
        parameters: { sslmode: "disable", options: "-c a=b" },
      };
      assert.deepEqual(parsePostgresUrl(formatPostgresUrl(parts), { PGHOST: "elsewhere" }), parts);
    }
  }
});

test("a broken address is named as such, without repeating it", () => {
  for (const url of ["mysql://u:secret@h/d", "postgres://u:sec%ret@h/d", "postgres://u:secret@h:99999/d", "postgres://u:secret@a,b/d"]) {
    assert.throws(
      () => parsePostgresUrl(url, {}),
      (error) => isLifeboatError(error, "CONFIG_INVALID") && !/sec(%|ret)/.test(error.message),
    );
  }
});

test("R52 a parameter that libpq refuses, or that a program would take otherwise, is refused by name", () => {
  for (const [query, says] of [
    ["connect_timeout=x", /its parameter connect_timeout must be a whole number of seconds/],
    ["connect_timeout=", /connect_timeout must be/],
    ["sslmode=verify", /its parameter sslmode must be disable, .* or verify-full/],
    ["sslmode=", /sslmode must be/],
    ["target_session_attrs=master", /target_session_attrs must be any, /],
    ["channel_binding=yes", /channel_binding must be/],
    ["keepalives_idle=1s", /keepalives_idle must be a whole number/],
    ["require_auth=scram", /require_auth must list methods/],
    ["search_path=public", /search_path is not a parameter of libpq; leave it out/],
    ["sslaccept=strict", /sslaccept is not supported: write sslmode=verify-full/],
    ["constructor=1", /constructor is not a parameter/],
    ["ssl=false", /ssl is not a parameter/],
    ["sslkey=/k&s3cr3t=1", /one of its parameters is not a parameter of libpq/],
    ["service=shop", /service is not supported: write what the service file says/],
    ["hostaddr=10.0.0.1", /hostaddr is not supported/],
    ["sslpassword=x", /sslpassword is not supported: .*key without a passphrase/],
    ["sslnegotiation=direct&sslmode=prefer", /sslnegotiation=direct takes/],
    ["ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", /is above/],
    ["application_name=a%00b", /%00/],
  ] as const) {
    assert.throws(
      () => parsePostgresUrl(`postgres://u:pw@h/d?${query}`, {}),
      (error) => isLifeboatError(error, "CONFIG_INVALID") && says.test(error.message) && !/s3cr3t/.test(error.message),
      query,
    );
  }
  const { parameters } = parsePostgresUrl("postgres://u@h/d?connect_timeout=-1&ssl=true&sslcert=&keepalives=0&application_name=x", {});
  assert.deepEqual(parameters, { connect_timeout: "-1", sslmode: "require", keepalives: "0", application_name: "x" });
  const { PGSSLMODE, PGSSLROOTCERT } = programEnvironment(connectionFromUrl("postgres://u@h/d"));
  assert.deepEqual([PGSSLMODE, PGSSLROOTCERT], ["prefer", "/nonexistent/root.crt"]);
});

test("R52 an address that was written for an ORM is read: what only its pool means is passed over", () => {
  const prisma = "postgresql://u:p@h/d?schema=public&pgbouncer=true&connection_limit=1&connect_timeout=15&sslmode=require";
  assert.deepEqual(parsePostgresUrl(prisma, {}).parameters, { connect_timeout: "15", sslmode: "require" });
  assert.deepEqual(parsePostgresUrl("postgres://u@h/d?pool=5&prepared_statements=false", {}).parameters, {});
});

test("the label of a connection never holds its password", () => {
  const connection = connectionFromUrl("postgres://u:secret@h/d");
  assert.equal(connection.label, "d on h:5432 as u");
});

test("programs get all settings from their environment, and none from our own PG variables", () => {
  process.env.PGHOSTADDR = "203.0.113.1";
  try {
    const connection = connectionFromUrl("postgres://u:secret@h:6000/d%3Dx?sslmode=require&options=-c%20a%3Db&channel_binding=require");
    const environment = programEnvironment(connection);
    const { PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE, PGOPTIONS, PGCHANNELBINDING, PGHOSTADDR } = environment;
    assert.deepEqual(
      { PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE, PGOPTIONS, PGCHANNELBINDING, PGHOSTADDR },
      {
        PGHOST: "h",
        PGPORT: "6000",
        PGUSER: "u",
        PGDATABASE: "d=x",
        PGPASSWORD: "secret",
        PGSSLMODE: "require",
        PGOPTIONS: programOptions("-c a=b", false),
        PGCHANNELBINDING: "require",
        PGHOSTADDR: undefined,
      },
    );
    assert.ok(secretsOf(connection).includes("secret"));
  } finally {
    delete process.env.PGHOSTADDR;
  }
});

test("a database argument cannot be taken for a connection string", () => {
  assert.equal(databaseArgument("host=evil dbname=x"), "dbname='host=evil dbname=x'");
  assert.equal(databaseArgument(`it's \\`), "dbname='it\\'s \\\\'");
});

test("a pooled Neon host is replaced by its direct one, and no other host is touched", () => {
  const host = (name: string): string => partsOf(directConnection(connectionFromUrl(`postgres://u:p@${name}/d?sslmode=require`))).host;
  assert.equal(host("ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech"), "ep-cool-darkness-123456.us-east-2.aws.neon.tech");
  assert.equal(host("ep-cool-darkness-123456.us-east-2.aws.neon.tech"), "ep-cool-darkness-123456.us-east-2.aws.neon.tech");
  assert.equal(host("my-pooler.example.com"), "my-pooler.example.com");
  const kept = partsOf(
    directConnection(
      connectionFromParts({
        host: "a-pooler.x.neon.tech",
        port: 1,
        user: "u",
        password: PASSWORD,
        database: "d",
        parameters: { application_name: "b" },
      }),
    ),
  );
  assert.deepEqual(kept, {
    host: "a.x.neon.tech",
    port: 1,
    user: "u",
    password: PASSWORD,
    database: "d",
    parameters: { application_name: "b" },
  });
});

const UNWRITTEN = [
  "12/s3cr3t",
  "12?s3cr3t",
  "12?s3=cr3t",
  "12/s3?cr3t",
  "p@12/s3cr3t",
  "p@h?s3cr3t",
  "12/s3@cr3t",
  "%zs3cr3t",
  "12#s3cr3t",
];

test("no part of a password that is not percent-encoded is in a message or a label", () => {
  for (const password of UNWRITTEN) {
    for (const rest of ["h/shop", "h:5432/shop?a=b"]) {
      const url = `postgres://app:${password}@${rest}`;
      assert.throws(
        () => parsePostgresUrl(url),
        (error) => isLifeboatError(error, "CONFIG_INVALID") && !/s3|cr3t/.test(`${error.message} ${error.cause}`),
        url,
      );
    }
  }
  assert.throws(
    () => parsePostgresUrl("postgres://app:pw@h/shop?s3cr3t"),
    (error) => isLifeboatError(error, "CONFIG_INVALID") && !/s3cr3t/.test(error.message),
  );
});

test("R56 a written URL is parsed the same by the common URL parser of PostgreSQL clients for Node.js", () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((one) => !one.includes("\0") && one.isWellFormed());
  const host = fc.constantFrom("db.example", "::1", "/run/postgresql");
  const all = fc.record({
    host,
    port: fc.integer({ min: 1, max: 65_535 }),
    user: text,
    password: text,
    database: fc.constantFrom("d", "my db", "é", "%41"),
  });
  fc.assert(
    fc.property(all, (parts) => {
      const { host, port, user, password, database } = new pg.Client(formatPostgresUrl({ ...parts, parameters: {} }));
      assert.deepEqual({ host, port, user, password, database }, { ...parts });
    }),
  );
});
