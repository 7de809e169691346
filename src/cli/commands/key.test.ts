import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "key-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

function lifeboat(cwd: string, ...argv: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const { LIFEBOAT_IDENTITY_FILE: _, ...env } = process.env;
  return spawnSync(process.execPath, [main, ...argv], { cwd, encoding: "utf8", env: { ...env, NO_COLOR: "1", FORCE_COLOR: undefined } });
}

test("R21 a new key is a file for the owner alone, its recipient is printed, its identity never", (t) => {
  const cwd = folder(t);
  const made = lifeboat(cwd, "key", "new", "id.txt");
  assert.equal(made.status, 0, made.stderr);
  assert.equal(statSync(join(cwd, "id.txt")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(cwd, "id.txt"), "utf8"), /^# created: .*Z\n# public key: age1.*\nAGE-SECRET-KEY-1[A-Z0-9]{58}\n$/);
  assert.match(made.stdout, /recipient age1[a-z0-9]{58}\n/);
  assert.match(made.stdout, /can ever be opened/);
  const shown = lifeboat(cwd, "key", "show", "id.txt", "--json");
  const [recipient] = (JSON.parse(shown.stdout) as { recipients: string[] }).recipients;
  assert.ok(recipient !== undefined && made.stdout.includes(recipient));
  for (const run of [made, shown]) assert.doesNotMatch(run.stdout + run.stderr, /AGE-SECRET-KEY/);
});

test("R21 a key that is there is never overwritten", (t) => {
  const cwd = folder(t);
  assert.equal(lifeboat(cwd, "key", "new").status, 0);
  const before = readFileSync(join(cwd, "lifeboat-identity.txt"), "utf8");
  const again = lifeboat(cwd, "key", "new");
  assert.equal(again.status, 2);
  assert.match(again.stderr, /exists already/);
  assert.equal(readFileSync(join(cwd, "lifeboat-identity.txt"), "utf8"), before);
});

test("R56 a key that others can read is refused with the command that fixes it; a missing one too", (t) => {
  const cwd = folder(t);
  lifeboat(cwd, "key", "new", "id.txt");
  chmodSync(join(cwd, "id.txt"), 0o644);
  const exposed = lifeboat(cwd, "key", "show", "id.txt");
  assert.equal(exposed.status, 2);
  assert.match(exposed.stderr, /^error SECRET_EXPOSED {2}.*id.txt can be read by others\n {2}next: run `chmod 600 .*id.txt`\n$/);
  const missing = lifeboat(cwd, "key", "show", "nothing.txt");
  assert.equal(missing.status, 12);
  assert.match(missing.stderr, /error KEY_MISSING {2}there is no identity file/);
});

test("R56 init gives a configuration that names no writer key one, and keeps its comments", (t) => {
  const cwd = folder(t);
  lifeboat(cwd, "key", "new", "id.txt");
  const [recipient] = (JSON.parse(lifeboat(cwd, "key", "show", "id.txt", "--json").stdout) as { recipients: string[] }).recipients;
  const config = `# ours\nversion: 1\nrepository: { url: "file://${cwd}/backups", encryption: { recipients: [${recipient}] } }\nsources:\n  shop: { provider: postgres, url: postgres://u@127.0.0.1:1/shop }\n`;
  writeFileSync(join(cwd, "lifeboat.yaml"), config);
  const made = lifeboat(cwd, "init", "--json");
  assert.equal(made.status, 0, made.stderr);
  assert.equal((JSON.parse(made.stdout) as { writerFile: string }).writerFile, join(cwd, "lifeboat-writer.pem"));
  const written = readFileSync(join(cwd, "lifeboat.yaml"), "utf8");
  assert.match(written, /^# ours\n/);
  assert.match(written, /keyFile: lifeboat-writer.pem/);
  assert.equal(lifeboat(cwd, "list").status, 0);
});

test("R56 init changes a configuration behind a link in one act, keeps its mode, leaves nothing beside it", (t) => {
  const cwd = folder(t);
  lifeboat(cwd, "key", "new", "id.txt");
  const [recipient] = (JSON.parse(lifeboat(cwd, "key", "show", "id.txt", "--json").stdout) as { recipients: string[] }).recipients;
  const config = `version: 1\nrepository: { url: "file://${cwd}/backups", encryption: { recipients: [${recipient}] } }\nsources:\n  shop: { provider: postgres, url: postgres://u@127.0.0.1:1/shop }\n`;
  const etc = join(cwd, "etc");
  mkdirSync(etc);
  const place = join(etc, "lifeboat.yaml");
  writeFileSync(place, config, { mode: 0o640 });
  symlinkSync(place, join(cwd, "lifeboat.yaml"));
  const made = lifeboat(cwd, "init");
  assert.equal(made.status, 0, made.stderr);
  assert.ok(lstatSync(join(cwd, "lifeboat.yaml")).isSymbolicLink(), "the link is still one");
  assert.equal(statSync(place).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(etc), ["lifeboat.yaml"], "no other file is left");
});
