// Turns a client of PostgreSQL away in its own protocol, over TLS where it asks for it, so that it shows the reason.
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { Certificate } from "./certificate.ts";

const TLS_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
/** First byte of a TLS handshake: a client that begins with it without asking. */
const TLS_HANDSHAKE = 0x16;
const LONGEST_GREETING_BYTES = 10_000;
const DEADLINE_MS = 5_000;

/** Tells the reason to a client that was just accepted (paused, nothing read yet), then ends its connection. Never throws. */
export async function refuseClient(client: Socket, certificate: Certificate, message: string): Promise<void> {
  const timer = setTimeout(() => client.destroy(), DEADLINE_MS);
  try {
    const stream = await greet(client, certificate);
    stream.end(fatal(message));
    await once(stream, "finish");
    client.destroySoon();
  } catch {
    // It disconnected, or speaks another protocol: no answer would be read.
    client.destroy();
  } finally {
    clearTimeout(timer);
  }
}

/** Reads up to the client's startup message; what comes back speaks to it, encrypted if it asked. */
async function greet(client: Socket, certificate: Certificate): Promise<Duplex> {
  let stream: Duplex = client;
  for (;;) {
    const head = await read(stream, 8);
    if (head[0] === TLS_HANDSHAKE && stream === client) {
      client.unshift(head);
      stream = await encrypt(client, certificate);
      continue;
    }
    const [lengthBytes, code] = [head.readUInt32BE(0), head.readUInt32BE(4)];
    if (code === TLS_REQUEST && stream === client) {
      client.write("S");
      stream = await encrypt(client, certificate);
    } else if (code === GSS_REQUEST) {
      client.write("N");
    } else {
      if (lengthBytes < 8 || lengthBytes > LONGEST_GREETING_BYTES) throw new Error("no greeting of PostgreSQL");
      if (lengthBytes > 8) await read(stream, lengthBytes - 8);
      return stream;
    }
  }
}

async function encrypt(client: Socket, certificate: Certificate): Promise<TLSSocket> {
  const stream = new TLSSocket(client, {
    isServer: true,
    cert: certificate.certificatePem,
    key: certificate.keyPem,
    ALPNProtocols: ["postgresql"],
  });
  // Which of the two fails first does not matter: reading rejects when either closes.
  stream.on("error", () => client.destroy());
  return stream;
}

const EVENTS = ["readable", "end", "close"] as const;

/** Exactly so many bytes; what came with them stays for the next reader. */
async function read(stream: Duplex, sizeBytes: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < sizeBytes) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) bytes = Buffer.concat([bytes, chunk]);
    else if (stream.destroyed || stream.readableEnded) throw new Error("the client went away");
    else await somethingHappens(stream);
  }
  if (bytes.length > sizeBytes) stream.unshift(bytes.subarray(sizeBytes));
  return bytes.subarray(0, sizeBytes);
}

function somethingHappens(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const event of EVENTS) stream.off(event, settle);
      resolve();
    };
    for (const event of EVENTS) stream.on(event, settle);
  });
}

/** ErrorResponse with the state "cannot connect now". */
function fatal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C57P03\0M${message.replaceAll("\0", "")}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
