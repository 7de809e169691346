// Files with secrets that others can read.
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { beginWorld, editConfig } from "../support/program.ts";

test("R56 keys and passphrases readable by other users are refused; a configuration causes one warning", async (t) => {
  const world = await beginWorld(t, { sources: { shop: { url: "postgres://nobody@127.0.0.1:1/shop", label: "shop" } } });
  const told = async (...args: string[]) => (await world.run(...args)).stderr;
  const advice = (file: string): RegExp => new RegExp(`SECRET_EXPOSED[\\s\\S]*chmod 600 ${file}`);
  const writer = join(world.directory, "writer.pem");
  chmodSync(writer, 0o644);
  assert.match(await told("list"), advice(writer));
  chmodSync(writer, 0o600);
  chmodSync(world.identityFile, 0o640);
  const check = await world.run("check");
  assert.match(check.stdout + check.stderr, new RegExp(`chmod 600 ${world.identityFile}`));
  chmodSync(world.identityFile, 0o600);

  assert.equal(await told("list"), "", "addresses come from the environment");
  editConfig(world, (text) => text.replace(/"?\$\{URL_SHOP\}"?/, '"postgres://app:hunter2@127.0.0.1:1/shop"'));
  chmodSync(world.configFile, 0o644);
  assert.equal(
    await told("list"),
    `note: ${world.configFile} holds a secret and can be read by others: run \`chmod 600 ${world.configFile}\`\n`,
  );
  assert.equal(await told("list", "--json"), "", "JSON is for programs");
  chmodSync(world.configFile, 0o600);
  assert.equal(await told("list"), "");

  const passphrase = join(world.directory, "passphrase");
  writeFileSync(passphrase, "correct horse battery staple\n", { mode: 0o644 });
  writeFileSync(
    world.configFile,
    readFileSync(world.configFile, "utf8").replace(
      /encryption: \{[^}]*\}/,
      `encryption: { passphraseFile: ${JSON.stringify(passphrase)} }`,
    ),
  );
  assert.match(await told("backup", "shop"), advice(passphrase));
});
