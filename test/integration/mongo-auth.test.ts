// The sandbox's passwords, tested with the official driver: only a client with the password connects.
import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { after, before, test } from "node:test";
import { Binary, type Document, MongoClient, type MongoClientOptions } from "mongodb";
import { type MongoSandbox, startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";

/** Of the second, every character that an address or SCRAM writes in another way. */
const USERS = [
  { user: "owner", password: "open sesame" },
  { user: "o=d,d us@r", password: "p@ss:w/rd%=,Ⅸ\u00ad\u00a0é" },
] as const;

let sandbox: MongoSandbox;
before(async () => {
  sandbox = await startMongoSandbox({ users: USERS });
});
after(() => sandbox.close());

/** Acts with a client of its own; without credentials unless options give some. */
async function withClient<T>(options: MongoClientOptions, act: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://${sandbox.host}:${sandbox.port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 10_000,
    maxPoolSize: 1,
    ...options,
  });
  try {
    return await act(client);
  } finally {
    await client.close();
  }
}

const readOne = (client: MongoClient) => client.db("shop").collection("things").findOne();
const code = (expected: number, name: string) => (error: Document) => error.code === expected && error.codeName === name;

for (const authMechanism of ["SCRAM-SHA-1", "SCRAM-SHA-256", undefined] as const) {
  test(`R54 the official driver connects with the right password by ${authMechanism ?? "the mechanism that the server offers"}`, async () => {
    const [{ user: username, password }] = USERS;
    await withClient({ auth: { username, password }, ...(authMechanism ? { authMechanism } : {}) }, async (client) => {
      assert.equal(await readOne(client), null);
      const status = await client.db("admin").command({ connectionStatus: 1 });
      assert.deepEqual(status.authInfo.authenticatedUsers, [{ user: username, db: "admin" }]);
    });
  });

  test(`R54 a wrong password, an unknown user and a wrong database are refused alike by ${authMechanism ?? "the default mechanism"}`, async () => {
    const [{ user, password }] = USERS;
    for (const [username, wrong, authSource] of [
      [user, `${password} `, "admin"],
      [user, "wrong", "admin"],
      ["nobody", password, "admin"],
      [user, password, "shop"],
    ] as const) {
      const auth = { auth: { username, password: wrong }, authSource, ...(authMechanism ? { authMechanism } : {}) };
      await assert.rejects(withClient(auth, readOne), (error: Document) => {
        assert.equal(error.code, 18, String(error));
        assert.equal(error.codeName, "AuthenticationFailed");
        assert.equal(error.message, "Authentication failed.");
        return true;
      });
    }
  });
}

test("R54 names and passwords of every character are the same on both sides", async () => {
  const [, { user: username, password }] = USERS;
  await withClient({ auth: { username, password }, authMechanism: "SCRAM-SHA-256" }, async (client) => {
    assert.equal(await readOne(client), null);
  });
});

test("R54 without credentials every command but those that lead to them is refused", async () => {
  await withClient({}, async (client) => {
    await assert.rejects(readOne(client), code(13, "Unauthorized"));
    for (const command of [{ listDatabases: 1 }, { usersInfo: 1 }, { rolesInfo: 1 }, { getParameter: 1, featureCompatibilityVersion: 1 }]) {
      await assert.rejects(client.db("admin").command(command), code(13, "Unauthorized"), JSON.stringify(command));
    }
    await assert.rejects(client.db("shop").collection("things").insertOne({}), code(13, "Unauthorized"));
    for (const command of [{ ping: 1 }, { hello: 1 }, { connectionStatus: 1 }]) {
      assert.equal((await client.db("admin").command(command)).ok, 1, JSON.stringify(command));
    }
  });
});

test("R54 who logs out has to enter again", async () => {
  const [{ user: username, password }] = USERS;
  await withClient({ auth: { username, password } }, async (client) => {
    await readOne(client);
    await client.db("admin").command({ logout: 1 });
    await assert.rejects(readOne(client), code(13, "Unauthorized"));
  });
});

test("R54 users are listed without anything of their passwords", async () => {
  const [{ user: username, password }] = USERS;
  await withClient({ auth: { username, password } }, async (client) => {
    const admin = client.db("admin");
    const names = async (usersInfo: unknown, db = admin): Promise<string[]> =>
      (await db.command({ usersInfo })).users.map(({ user }: { user: string }) => user).sort();
    assert.deepEqual(await names(1), ["o=d,d us@r", "owner"]);
    assert.deepEqual(await names("owner"), ["owner"]);
    assert.deepEqual(await names({ user: "owner", db: "admin" }), ["owner"]);
    assert.deepEqual(await names({ forAllDBs: true }, client.db("shop")), ["o=d,d us@r", "owner"]);
    assert.deepEqual(await names(1, client.db("shop")), []);
    const listed = JSON.stringify(await admin.command({ usersInfo: 1 }));
    assert.doesNotMatch(listed, /sesame|storedKey|serverKey|salt/i);
    assert.match(listed, /"roles":\[\{"role":"root","db":"admin"\}\]/);
  });
});

/** Conducts a conversation by hand, as an old client that needs the empty exchange. */
async function converse(client: MongoClient, options: Document, alter = (final: string) => final) {
  const [{ user, password }] = USERS;
  const admin = client.db("admin");
  const bare = `n=${user},r=${Buffer.from("abcdefgh").toString("base64")}`;
  const started = await admin.command({
    saslStart: 1,
    mechanism: "SCRAM-SHA-256",
    payload: new Binary(Buffer.from(`n,,${bare}`)),
    ...options,
  });
  const first = Buffer.from(started.payload.buffer).toString();
  const [, nonce = "", salt = "", iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(first) ?? [];
  const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), Number(iterations), 32, "sha256");
  const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const clientKey = hmac(salted, "Client Key");
  const unproven = `c=biws,r=${nonce}`;
  const signature = hmac(createHash("sha256").update(clientKey).digest(), `${bare},${first},${unproven}`);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)));
  const more = (text: string) =>
    admin.command({ saslContinue: 1, conversationId: started.conversationId, payload: new Binary(Buffer.from(text)) });
  return { started, more, last: await more(alter(`${unproven},p=${proof.toString("base64")}`)) };
}

test("R54 a client that asks for the empty exchange enters after it, and not before", async () => {
  await withClient({}, async (client) => {
    const { started, last, more } = await converse(client, {});
    assert.equal(started.done, false);
    assert.equal(last.done, false);
    await assert.rejects(readOne(client), code(13, "Unauthorized"));
    assert.equal((await more("")).done, true);
    assert.equal(await readOne(client), null);
  });
  await withClient({}, async (client) => {
    assert.equal((await converse(client, { options: { skipEmptyExchange: true } })).last.done, true);
    assert.equal(await readOne(client), null);
  });
});

test("R54 after a wrong proof the conversation is over: the right one comes too late", async () => {
  await withClient({}, async (client) => {
    let right = "";
    const wrong = (final: string): string => {
      right = final;
      return `${final.slice(0, -4)}AAA=`;
    };
    await assert.rejects(converse(client, {}, wrong), code(18, "AuthenticationFailed"));
    const late = { saslContinue: 1, conversationId: 1, payload: new Binary(Buffer.from(right)) };
    await assert.rejects(client.db("admin").command(late), code(17, "ProtocolError"));
    await assert.rejects(readOne(client), code(13, "Unauthorized"));
  });
});

test("R54 a mechanism that the sandbox does not have is named as such", async () => {
  await withClient({}, async (client) => {
    const command = { saslStart: 1, mechanism: "GSSAPI", payload: new Binary(Buffer.alloc(1)) };
    await assert.rejects(client.db("$external").command(command), code(334, "MechanismUnavailable"));
  });
});
