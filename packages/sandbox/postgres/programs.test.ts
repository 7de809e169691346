// PostgreSQL's programs where none are installed: from a registry of Debian packages on loopback, whose programs only say a version.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findPrograms, installCommand, type ProgramsOptions } from "./programs.ts";

const skip = ["apt-get", "dpkg-deb"].every((name) => existsSync(`/usr/bin/${name}`)) ? false : "apt is not installed";

const program = (name: string): string =>
  `#!/bin/sh\n[ -f "\${LD_LIBRARY_PATH%%:*}/libexample.so.1" ] && echo '${name} (PostgreSQL) 99.1'\n`;
const bin = "usr/lib/postgresql/99/bin";
const triplet = "usr/lib/x86_64-linux-gnu";

/** What each package depends on, and its files. */
const PACKAGES: Readonly<Record<string, { readonly depends: string; readonly files: Readonly<Record<string, string>> }>> = {
  postgresql: { depends: "postgresql-99, postgresql-common", files: {} },
  "postgresql-common": { depends: "", files: { "usr/bin/pg_wrapper": "not wanted" } },
  "postgresql-99": {
    depends: "postgresql-client-99, libllvm99, libjson-perl, tzdata",
    files: {
      [`${bin}/initdb`]: program("initdb"),
      [`${bin}/postgres`]: program("postgres"),
      "usr/lib/postgresql/99/lib/llvmjit.so": "not wanted",
      "usr/share/doc/postgresql-99/copyright": "not wanted",
    },
  },
  "postgresql-client-99": {
    depends: "libexample1",
    files: { [`${bin}/pg_dump`]: program("pg_dump"), [`${bin}/pg_restore`]: program("pg_restore") },
  },
  libexample1: { depends: "", files: { [`${triplet}/libexample.so.1`]: "a library" } },
  libllvm99: { depends: "", files: { [`${triplet}/libLLVM-99.so`]: "not wanted" } },
  "libjson-perl": { depends: "", files: { "usr/share/perl5/JSON.pm": "not wanted" } },
};

interface Registry {
  readonly folder: string;
  readonly options: ProgramsOptions;
  /** Paths that were asked for. */
  readonly requests: string[];
  /** What was said. */
  readonly said: string[];
  /** Replaces the answer to a request for a package. */
  answer?: ((body: Buffer) => Buffer | undefined) | undefined;
}

async function registry(t: TestContext): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "apt-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755); // as root, the programs are started as another user too
  const index = Object.entries(PACKAGES).map(([name, { depends, files }]) => {
    const control = `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.com>\nDescription: test\n${depends && `Depends: ${depends}\n`}`;
    for (const [path, text] of Object.entries({ ...files, "DEBIAN/control": control })) {
      mkdirSync(join(folder, name, path, ".."), { recursive: true });
      writeFileSync(join(folder, name, path), text, { mode: path.startsWith("DEBIAN") ? 0o644 : 0o755 });
    }
    execFileSync("dpkg-deb", ["--build", "--root-owner-group", join(folder, name), join(folder, `${name}.deb`)], { stdio: "ignore" });
    const bytes = readFileSync(join(folder, `${name}.deb`));
    const digest = createHash("sha256").update(bytes).digest("hex");
    return `${control}Filename: ./${name}.deb\nSize: ${bytes.byteLength}\nSHA256: ${digest}\n`;
  });
  const requests: string[] = [];
  const said: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url?.slice(1).replace(/^\.\//, "") ?? "";
    requests.push(path);
    if (path === "Packages") return response.end(index.join("\n"));
    if (!path.endsWith(".deb")) return response.writeHead(404).end();
    const body = readFileSync(join(folder, path));
    const answer = found.answer === undefined ? body : found.answer(body);
    return answer === undefined ? undefined : response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(folder, "sources.list"), `deb [trusted=yes] http://127.0.0.1:${port}/ ./\n`);
  writeFileSync(
    join(folder, "status"),
    "Package: tzdata\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nMaintainer: t\nDescription: t\n",
  );
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  const settings = {
    "Dir::Etc::SourceList": join(folder, "sources.list"),
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::status": join(folder, "status"),
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "aptcache"),
    "Acquire::Retries": "0",
    "Acquire::http::Proxy": "DIRECT",
  };
  writeFileSync(
    join(folder, "apt.conf"),
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(""),
  );
  const env = { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, "cache"), APT_CONFIG: join(folder, "apt.conf") };
  const search = { env: { PATH: join(folder, "lists") }, roots: { debian: join(folder, "lists"), homebrew: [] } };
  const found: Registry = { folder, requests, said, options: { env, search, say: (sentence) => said.push(sentence) } };
  return found;
}

const cacheOf = ({ folder }: Registry): string => join(folder, "cache/lifeboat");
const debsOf = ({ requests }: Registry): string[] => requests.filter((path) => path.endsWith(".deb")).sort();

test("R54 missing programs of PostgreSQL are downloaded into a private folder and kept there", { skip }, async (t) => {
  const at = await registry(t);
  mkdirSync(join(cacheOf(at), "partial-crashed"), { recursive: true });
  utimesSync(join(cacheOf(at), "partial-crashed"), 0, 0);
  const programs = await findPrograms(at.options);
  assert.deepEqual(programs, { directory: join(cacheOf(at), "postgresql/bin"), downloaded: true });
  assert.deepEqual(debsOf(at), ["libexample1.deb", "postgresql-99.deb", "postgresql-client-99.deb"]);
  assert.match(at.said.join("\n"), /lists of packages here are out of date[\s\S]*downloading 1 MB of packages[\s\S]*kept in/);
  assert.equal(execFileSync(join(programs.directory, "pg_dump"), { encoding: "utf8" }), "pg_dump (PostgreSQL) 99.1\n");
  assert.deepEqual(readdirSync(cacheOf(at)), ["postgresql"]);
  const kept = readdirSync(cacheOf(at), { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    kept.filter((name) => /llvmjit|copyright/.test(name)),
    [],
  );
  assert.equal(statSync(cacheOf(at)).mode & 0o777, process.getuid?.() === 0 ? 0o755 : 0o700);

  assert.deepEqual(await findPrograms(at.options), programs);
  assert.equal(debsOf(at).length, 3, "the second time needs no network");

  // A folder that other users may write to, or whose programs do not run, is not used again.
  chmodSync(cacheOf(at), 0o777);
  await findPrograms(at.options);
  rmSync(join(cacheOf(at), "postgresql/lib", triplet), { recursive: true });
  await findPrograms(at.options);
  assert.equal(debsOf(at).length, 9);
});

test("R54 a damaged package is refused, and nothing of it is kept", { skip }, async (t) => {
  const at = await registry(t);
  at.answer = (body) => Buffer.from(body.map((byte, index) => (index === body.length - 1 ? byte ^ 1 : byte)));
  await assert.rejects(findPrograms(at.options), { code: "INTEGRITY", hint: /^run it again, or run `.+`$/ });
  assert.deepEqual(readdirSync(cacheOf(at)), []);
});

test("R54 without a network, or without apt, the command that installs PostgreSQL is named", { skip }, async (t) => {
  const at = await registry(t);
  writeFileSync(join(at.folder, "sources.list"), "deb [trusted=yes] http://user:hidden@127.0.0.1:1/ ./\n");
  await assert.rejects(findPrograms(at.options), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, "TOOL_MISSING");
    assert.match(error.message, /^the packages of PostgreSQL could not be downloaded: .*127\.0\.0\.1/);
    assert.doesNotMatch(error.message, /hidden/);
    assert.match(error.hint, /^check the network, or run `.* install .*postgresql/);
    return true;
  });
  assert.deepEqual(readdirSync(cacheOf(at)), []);
  const env = { ...at.options.env, PATH: join(at.folder, "lists") };
  await assert.rejects(findPrograms({ ...at.options, env }), {
    code: "TOOL_MISSING",
    message: /were not found/,
    hint: /^run `.*postgresql/,
  });
});

test("R54 a download that is interrupted leaves nothing", { skip }, async (t) => {
  const at = await registry(t);
  const stop = new AbortController();
  at.answer = () => void stop.abort(new Error("stopped by the test"));
  await assert.rejects(findPrograms({ ...at.options, signal: stop.signal }), /stopped by the test/);
  assert.deepEqual(readdirSync(cacheOf(at)), []);
});

test("R54 a full disk is named, and nothing is left on it", { skip }, async (t) => {
  const at = await registry(t);
  mkdirSync(cacheOf(at), { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", cacheOf(at)], { stdio: "ignore" });
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  try {
    await assert.rejects(findPrograms(at.options), { code: "DISK_FULL", message: new RegExp(cacheOf(at)) });
    assert.deepEqual(readdirSync(cacheOf(at)), []);
  } finally {
    execFileSync("umount", [cacheOf(at)]);
  }
});

test("R54 each system has its own command to install PostgreSQL", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "os-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const of = (osRelease: string): Promise<string> => {
    writeFileSync(join(folder, "os-release"), osRelease);
    return installCommand("linux", join(folder, "os-release"), false);
  };
  assert.equal(await of('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'), "sudo apt-get install postgresql");
  assert.equal(await of('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "sudo dnf install postgresql-server");
  assert.equal(await of("ID=alpine\n"), "sudo apk add postgresql");
  assert.equal(await installCommand("darwin"), "brew install postgresql@17");
  assert.equal(await installCommand("linux", "/nowhere", true), "apt-get install postgresql");
});
