import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import pg from "pg";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { openProxy } from "./compute-proxy.ts";

const certificate = selfSignedCertificate("localhost", new Date());

/** A server that sends back what it gets. */
async function echo(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

for (const [name, ssl] of [
  ["with TLS", { rejectUnauthorized: false }],
  ["without TLS", false],
] as const) {
  test(`a client ${name} is told why a compute cannot be woken`, async (t) => {
    const proxy = await openProxy(() => Promise.reject(new LifeboatError("SCRATCH_FAILED", "the disk is full")), certificate);
    t.after(() => proxy.close());
    const client = new pg.Client({ host: proxy.host, port: proxy.port, user: "a", password: "b", database: "c", ssl });
    client.on("error", () => {});
    await assert.rejects(client.connect(), { message: "the disk is full", code: "57P03" });
  });
}

test("a client that begins with TLS, without asking, is told as well", async (t) => {
  const proxy = await openProxy(() => Promise.reject(new LifeboatError("SCRATCH_FAILED", "the disk is full")), certificate);
  t.after(() => proxy.close());
  const socket = connectTls({ host: proxy.host, port: proxy.port, rejectUnauthorized: false, ALPNProtocols: ["postgresql"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "postgresql");
  socket.write(Buffer.from("000000090003000000", "hex"));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.match(Buffer.concat(chunks).toString(), /^E.*the disk is full/s);
});

test("a client that speaks another protocol, or disconnects, does no harm to the next one", async (t) => {
  const port = await echo(t);
  let fail = true;
  const proxy = await openProxy(() => (fail ? Promise.reject(new Error("secret detail")) : Promise.resolve({ port })), certificate);
  t.after(() => proxy.close());
  for (const greeting of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", ""]) {
    const socket = connect(proxy.port, proxy.host);
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.end(greeting, "latin1");
    socket.resume();
    await once(socket, "close");
  }
  fail = false;
  const socket = connect(proxy.port, proxy.host);
  socket.end("hello");
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "hello");
});

test("bytes pass both ways in full, and a proxy counts its connections", async (t) => {
  const port = await echo(t);
  const proxy = await openProxy(() => Promise.resolve({ port }), certificate);
  t.after(() => proxy.close());
  const sent = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef!");
  const socket = connect(proxy.port, proxy.host);
  await once(socket, "connect");
  socket.end(sent);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    if (chunks.length === 0) assert.equal(proxy.connections, 1);
    chunks.push(chunk as Buffer);
  }
  assert.ok(Buffer.concat(chunks).equals(sent));
  while (proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("a server that is gone at the first try is woken once more", async (t) => {
  const port = await echo(t);
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const ports = [(gone.address() as { port: number }).port, port];
  gone.close();
  await once(gone, "close");
  const proxy = await openProxy(() => Promise.resolve({ port: ports.shift() ?? 0 }), certificate);
  t.after(() => proxy.close());
  const socket = connect(proxy.port, proxy.host);
  socket.end("hello");
  const [answer] = await once(socket, "data");
  assert.equal(String(answer), "hello");
});
