// Addresses with certificates, against a real server: our own client and PostgreSQL's programs agree on each.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { postgresBin, query, skipWithoutPostgres, testCluster } from "../../../../test/support/postgres.ts";
import { type ErrorCode, isLifeboatError, type LifeboatError } from "../../../core/errors.ts";
import { runProgram } from "../../../process/run.ts";
import { openClient } from "./client.ts";
import { programEnvironment, secretsOf } from "./programs.ts";
import { connectionFromUrl } from "./url.ts";

const skip = skipWithoutPostgres();

/** The certificates of a test: an authority, servers' and clients' certificates, in a folder of their own. */
function certificates(t: TestContext, owner: number) {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-tls-"));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["ca", "stranger"])
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
  const signed = (name: string, subject: string, names: string, days = "30"): void => {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${subject}`);
    writeFileSync(at("ext"), `subjectAltName=${names}\n`);
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...by, "-days", days, "-extfile", "ext", "-out", `${name}.crt`);
    chmodSync(at(`${name}.key`), 0o600);
  };
  signed("good", "localhost", "DNS:localhost,IP:127.0.0.1,IP:::1");
  signed("elsewhere", "db.example", "DNS:db.example");
  signed("expired", "localhost", "DNS:localhost", "-1");
  signed("sam", "sam", "DNS:sam");
  signed("loose", "sam", "DNS:sam");
  chmodSync(at("loose.key"), 0o644);
  for (const name of ["good", "elsewhere", "expired"]) chownSync(at(`${name}.key`), owner, -1);
  writeFileSync(at("empty.pem"), "no certificate\n");
  return at;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function beginTls(t: TestContext) {
  const port = await freePort();
  const cluster = await testCluster({ settings: { listen_addresses: "127.0.0.1,::1", port: String(port) } });
  t.after(() => cluster.stop());
  const admin = cluster.connection("postgres");
  const at = certificates(t, statSync(cluster.data).uid);
  const home = at("home");
  mkdirSync(join(home, ".postgresql"), { recursive: true });
  const before = process.env.HOME;
  process.env.HOME = home;
  t.after(() => {
    process.env.HOME = before;
  });
  await query(
    admin,
    "create role sam login password 'pw'; set password_encryption = md5; create role old login password 'pw'; create role free login",
  );
  const [files] = await query<{ hba: string }>(admin, "select current_setting('hba_file') as hba");
  const reload = async (...settings: readonly string[]): Promise<void> => {
    for (const setting of settings) await query(admin, `alter system set ${setting}`);
    await query(admin, "select pg_reload_conf()");
  };
  const hba = (lines: string): void => writeFileSync(files?.hba ?? "", `local all all scram-sha-256\n${lines}\n`);
  hba(["host all old all md5", "host all free all trust", "host all all all scram-sha-256"].join("\n"));
  const serve = (name: string): Promise<void> =>
    reload(
      "ssl = on",
      `ssl_cert_file = '${at(`${name}.crt`)}'`,
      `ssl_key_file = '${at(`${name}.key`)}'`,
      `ssl_ca_file = '${at("ca.crt")}'`,
    );
  return { at, home, port, reload, hba, serve };
}

const PASSES = undefined;
type Wanted = typeof PASSES | readonly [ErrorCode, RegExp, RegExp?];

/** How our own client and a program fare with an address: `undefined`, or the error. */
async function fate(url: string): Promise<{ own?: LifeboatError; program?: string; tls?: boolean }> {
  let own: LifeboatError | undefined;
  let tls: boolean | undefined;
  try {
    const client = await openClient(connectionFromUrl(url));
    [{ tls }] = (await client.query("select ssl as tls from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()")) as [
      { tls: boolean },
    ];
    await client.close();
  } catch (error) {
    if (!isLifeboatError(error)) throw error;
    own = error;
  }
  if (own?.code === "CONFIG_INVALID" || own?.code === "SECRET_EXPOSED") return { own };
  const connection = connectionFromUrl(url);
  const said = "select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()";
  const ran = await runProgram(join(postgresBin(), "psql"), ["-XAtw", "-c", said], {
    env: programEnvironment(connection),
    secrets: secretsOf(connection),
    timeoutMs: 60_000,
  });
  if (ran.status === 0 && tls !== undefined) assert.equal(ran.stdout.trim(), tls ? "t" : "f", url);
  return { ...(own ? { own } : {}), ...(ran.status === 0 ? {} : { program: ran.end }), ...(tls === undefined ? {} : { tls }) };
}

async function judge(url: string, wanted: Wanted): Promise<void> {
  const { own, program } = await fate(url);
  if (wanted === PASSES) {
    assert.equal(own, undefined, `${url}: ${own?.message}`);
    assert.equal(program, undefined, url);
    return;
  }
  const [code, message, hint] = wanted;
  assert.ok(own, `${url} was let through`);
  assert.equal(own.code, code, own.message);
  assert.match(own.message, message, url);
  if (hint !== undefined) assert.match(own.hint, hint, url);
  assert.doesNotMatch(`${own.message} ${own.hint}`, /pw@|\bpw\b/);
  if (code !== "CONFIG_INVALID" && code !== "SECRET_EXPOSED") assert.ok(program, `${url}: refused by us, and let through by psql`);
}

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

test("R15 R52 each sslmode is verified or refused as it says, by our client and by the programs alike", { skip }, async (t) => {
  const { at, home, port, serve, reload } = await beginTls(t);
  const url = (parameters: string, host = "localhost", user = "sam:pw") => `postgres://${user}@${host}:${port}/postgres${parameters}`;
  const root = `sslrootcert=${at("ca.crt")}`;
  const untrusted = ["SOURCE_UNREACHABLE", /no trusted authority signed/, /sslrootcert/] as const;
  await serve("good");
  await judge(url("?sslmode=require"), PASSES);
  await judge(url("?ssl=true"), PASSES);
  assert.equal((await fate(url("?ssl=true"))).tls, true);
  await judge(url(`?sslmode=verify-ca&${root}`), PASSES);
  await judge(url(`?sslmode=verify-full&${root}`), PASSES);
  await judge(url(`?sslmode=verify-full&${root}`, "127.0.0.1"), PASSES);
  if (hasIpv6) await judge(url(`?sslmode=verify-full&${root}`, "[::1]"), PASSES);
  await judge(url(`?sslmode=verify-full&${root}&channel_binding=require&require_auth=scram-sha-256`), PASSES);
  await judge(url(`?sslmode=require&sslrootcert=${at("stranger.crt")}`), untrusted);
  await judge(url(`?sslmode=verify-ca&sslrootcert=${at("stranger.crt")}`), untrusted);
  await judge(url("?sslmode=verify-full"), untrusted);
  await judge(url("?sslrootcert=system"), untrusted);
  await judge(url("?sslmode=verify-ca"), ["CONFIG_INVALID", /needs an authority of your own/, /sslrootcert=FILE/]);
  await judge(url(`?${root}`), ["CONFIG_INVALID", /sslrootcert verifies nothing without sslmode/]);
  await judge(url(`?sslmode=prefer&${root}`), ["CONFIG_INVALID", /sslrootcert verifies nothing/]);
  await judge(url("?sslmode=require&sslrootcert=system"), ["CONFIG_INVALID", /sslrootcert=system takes sslmode=verify-full only/]);
  await judge(url(`?sslmode=verify-full&sslrootcert=${at("none.crt")}`), ["CONFIG_INVALID", /none\.crt cannot be read/]);
  await judge(url(`?sslmode=verify-full&sslrootcert=${at("empty.pem")}`), ["CONFIG_INVALID", /empty\.pem holds no certificate/]);
  await judge(url("?sslmode=require&ssl_max_protocol_version=TLSv1.2"), PASSES);
  // A file in the home directory makes `require` verify, and leaves `prefer` as it is.
  execFileSync("cp", [at("stranger.crt"), join(home, ".postgresql", "root.crt")]);
  await judge(url("?sslmode=require"), untrusted);
  await judge(url(""), PASSES);
  assert.equal((await fate(url(""))).tls, true);
  rmSync(join(home, ".postgresql", "root.crt"));

  await serve("elsewhere");
  await judge(url(`?sslmode=verify-full&${root}`), [
    "SOURCE_UNREACHABLE",
    /certificate is for another host name/,
    /host name of the certificate/,
  ]);
  await judge(url(`?sslmode=verify-ca&${root}`), PASSES);
  await serve("expired");
  const expired = ["SOURCE_UNREACHABLE", /certificate has expired/, /renew/] as const;
  await judge(url(`?sslmode=verify-full&${root}`), expired);
  await judge(url(`?sslmode=verify-ca&${root}`), expired);
  await judge(url(`?sslmode=require&${root}`), expired);

  await reload("ssl = off");
  const none = ["SOURCE_UNREACHABLE", /offers no TLS/] as const;
  for (const mode of ["require", `verify-ca&${root}`, `verify-full&${root}`]) await judge(url(`?sslmode=${mode}`), none);
  await judge(url(""), PASSES);
  assert.equal((await fate(url(""))).tls, false);
});

test("R15 a login by less than the address asks for is refused before a password is sent", { skip }, async (t) => {
  const { port, serve } = await beginTls(t);
  await serve("good");
  const url = (user: string, parameters: string) => `postgres://${user}@localhost:${port}/postgres?sslmode=require&${parameters}`;
  await judge(url("old:pw", "channel_binding=require"), ["SOURCE_AUTH", /md5 without channel binding/, /pg_hba/]);
  await judge(url("free", "channel_binding=require"), ["SOURCE_AUTH", /no password without channel binding/]);
  await judge(url("sam:pw", "channel_binding=require"), PASSES);
  for (const [user, allowed, refused] of [
    ["old:pw", "scram-sha-256", /asks for md5, and require_auth allows scram-sha-256/],
    ["free", "!none", /asks for no password/],
    ["sam:pw", "!scram-sha-256", /asks for scram-sha-256/],
    ["sam:pw", "none", /asks for scram-sha-256/],
  ] as const) {
    // Programs before 16 do not know it.
    const { own } = await fate(url(user, `require_auth=${allowed}`));
    assert.match(own?.message ?? "", refused);
  }
  await judge(url("sam:pw", "require_auth=md5,scram-sha-256"), PASSES);
  await judge(`postgres://sam:pw@localhost:${port}/postgres?sslmode=disable&channel_binding=require`, [
    "SOURCE_AUTH",
    /without channel binding/,
  ]);
});

test("R15 a client certificate logs in, and a wrong, missing or exposed one gets one clear message", { skip }, async (t) => {
  const { at, home, port, serve, reload, hba } = await beginTls(t);
  await serve("good");
  hba("hostssl all sam all cert\nhost all all all scram-sha-256");
  await reload();
  const url = (parameters: string) => `postgres://sam@localhost:${port}/postgres?sslmode=require&${parameters}`;
  const pair = (name: string) => `sslcert=${at(`${name}.crt`)}&sslkey=${at(`${name}.key`)}`;
  await judge(url(pair("sam")), PASSES);
  await judge(url(""), ["SOURCE_AUTH", /certificate/]);
  await judge(url(pair("stranger")), ["SOURCE_UNREACHABLE", /does not accept the client's certificate/, /ssl_ca_file/]);
  await judge(url(pair("elsewhere")), ["SOURCE_AUTH", /refused the login/]);
  await judge(url(pair("loose")), ["SECRET_EXPOSED", /loose\.key/, /chmod 600 .*loose\.key/]);
  await judge(url(`sslcert=${at("sam.crt")}`), ["CONFIG_INVALID", /has no key beside it/, /sslkey=FILE/]);
  await judge(url(`sslcert=${at("sam.crt")}&sslkey=${at("good.key")}`), ["CONFIG_INVALID", /not the key of the certificate/]);
  execFileSync("openssl", ["ec", "-aes128", "-passout", "pass:x", "-in", at("sam.key"), "-out", at("locked.key")], { stdio: "pipe" });
  await judge(url(`sslcert=${at("sam.crt")}&sslkey=${at("locked.key")}`), ["CONFIG_INVALID", /passphrase/]);
  // The files that libpq takes by itself.
  for (const [from, to] of [
    ["sam.crt", "postgresql.crt"],
    ["sam.key", "postgresql.key"],
  ] as const)
    execFileSync("cp", ["-p", at(from), join(home, ".postgresql", to)]);
  await judge(url(""), PASSES);
});

test("R52 the password file and target_session_attrs mean the same to our client and to the programs", { skip }, async (t) => {
  const { at, home, port, serve } = await beginTls(t);
  await serve("good");
  const url = (parameters: string) => `postgres://sam@localhost:${port}/postgres?sslmode=disable&${parameters}`;
  const missing = ["SOURCE_AUTH", /the address holds none/] as const;
  await judge(url(""), missing);
  writeFileSync(at("pass"), `# comment\nother:${port}:*:sam:wrong\nlocalhost:${port}:post\\gres:s\\am:p\\w\n`, { mode: 0o600 });
  await judge(url(`passfile=${at("pass")}`), PASSES);
  assert.ok(secretsOf(connectionFromUrl(url(`passfile=${at("pass")}`))).includes("pw"));
  execFileSync("cp", ["-p", at("pass"), join(home, ".pgpass")]);
  await judge(url(""), PASSES);
  chmodSync(join(home, ".pgpass"), 0o644);
  await judge(url(""), missing);
  chmodSync(at("pass"), 0o644);
  await judge(url(`passfile=${at("pass")}`), ["SECRET_EXPOSED", /password file/, /chmod 600/]);
  await judge(url(`passfile=${at("nopass")}`), ["CONFIG_INVALID", /password file .*cannot be read/]);
  chmodSync(at("pass"), 0o600);
  const also = `passfile=${at("pass")}&target_session_attrs=`;
  for (const passes of ["any", "read-write", "primary", "prefer-standby"]) await judge(url(also + passes), PASSES);
  for (const fails of ["read-only", "standby"])
    await judge(url(also + fails), ["SOURCE_UNREACHABLE", /is not a standby, and target_session_attrs/]);
});

test("R52 a server that answers outside of the protocol is an error of its source only", async (t) => {
  const server = createServer((socket) => {
    // Asks for GSSAPI, which the client library does not know.
    socket.once("data", () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7])));
    socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    openClient(connectionFromUrl(`postgres://u:p@127.0.0.1:${port}/d?sslmode=disable`)),
    (error) => isLifeboatError(error, "SOURCE_AUTH") && /method of authentication that is not supported/.test(error.message),
  );
});
