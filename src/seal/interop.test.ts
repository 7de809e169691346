// The public formats, verified by the common programs age and zstd.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { Decrypter, Encrypter } from "age-encryption";
import { makeHeader } from "./age-header.ts";
import { payloadKey, sealPayload } from "./age-payload.ts";
import { generateIdentity } from "./keys.ts";
import { seal } from "./seal.ts";
import { chunked, collect, missing, rows, through } from "./testing.ts";
import { openAge, unseal } from "./unseal.ts";

const skip = missing("age", "zstd");
const plains = [Buffer.alloc(0), rows(10), rows(200_000), randomBytes(65_536), randomBytes(1_500_000)];

async function withIdentityFile(identity: string, act: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lifeboat-interop-"));
  try {
    const file = join(folder, "identity.txt");
    await writeFile(file, `# a comment\n${identity}\n`, { mode: 0o600 });
    await act(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("R21 age -d and zstd -d open what Lifeboat sealed, for each of two recipients", { skip }, async () => {
  const pairs = await Promise.all([generateIdentity(), generateIdentity()]);
  for (const plain of plains) {
    const stored = await collect(seal(chunked(plain), { recipients: pairs.map((pair) => pair.recipient) }).bytes);
    for (const { identity } of pairs) {
      await withIdentityFile(identity, async (file) => {
        const compressed = await through("age", ["-d", "-i", file], stored);
        assert.ok((await through("zstd", ["-d", "-c"], compressed)).equals(plain), `${plain.length} bytes`);
      });
    }
  }
});

test("R21 Lifeboat opens files of zstd and age, at any level and for each of two recipients", { skip }, async () => {
  const pairs = await Promise.all([generateIdentity(), generateIdentity()]);
  for (const plain of plains) {
    for (const options of [["-1"], ["-19"], ["-3", "--no-check"]]) {
      const compressed = await through("zstd", [...options, "-c"], plain);
      const stored = await through(
        "age",
        pairs.flatMap((pair) => ["-r", pair.recipient]),
        compressed,
      );
      for (const { identity } of pairs) assert.ok((await collect(unseal(chunked(stored), { identities: [identity] }))).equals(plain));
    }
  }
});

test("R21 two frames from zstd are refused, though zstd itself would open them", { skip }, async () => {
  const { identity, recipient } = await generateIdentity();
  const frame = await through("zstd", ["-1", "-c"], rows(1000));
  const stored = await through("age", ["-r", recipient], Buffer.concat([frame, frame]));
  await assert.rejects(collect(unseal(chunked(stored), { identities: [identity] })), { code: "INTEGRITY", message: /second zstd frame/ });
});

test("R21 a passphrase works in both directions with another implementation of age", async () => {
  const plain = rows(100_000);
  // `age -p` requires a terminal, so the age-encryption package is the peer here. A low work factor keeps this short.
  const { fileKey, header } = await makeHeader({ passphrase: "correct horse" }, 10);
  const nonce = randomBytes(16);
  const payload = await collect(sealPayload(payloadKey(fileKey, nonce), chunked(zstdCompressSync(plain))));
  const decrypter = new Decrypter();
  decrypter.addPassphrase("correct horse");
  assert.ok(zstdDecompressSync(await decrypter.decrypt(Buffer.concat([header, nonce, payload]))).equals(plain));

  const encrypter = new Encrypter();
  encrypter.setPassphrase("correct horse");
  encrypter.setScryptWorkFactor(10);
  const theirs = await encrypter.encrypt(zstdCompressSync(plain));
  assert.ok((await collect(unseal(chunked(theirs), { passphrase: "correct horse" }))).equals(plain));
});

test("a passphrase with a work factor beyond the memory limit is refused before memory is allocated", async () => {
  const { header } = await makeHeader({ passphrase: "x" }, 10);
  const greedy = Buffer.from(Buffer.from(header).toString("latin1").replace(/ 10\n/, " 19\n"), "latin1");
  await assert.rejects(collect(openAge(chunked(Buffer.concat([greedy, Buffer.alloc(64)])), { passphrase: "x" })), {
    code: "FORMAT_UNKNOWN",
  });
});
