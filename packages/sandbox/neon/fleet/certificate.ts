// A self-signed certificate (X.509 v3, P-256, SHA-256), written byte by byte: the runtime reads certificates and makes none.
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Certificate {
  readonly certificatePem: string;
  /** Secret. */
  readonly keyPem: string;
}

const DAY_MS = 86_400_000;

/** ASN.1 tags that a certificate needs. */
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT = 0x06;
const UTF8 = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const context = (number: number): number => 0xa0 | number;
/** `dNSName` of a subject's alternative names. */
const DNS_NAME = 0x82;

const ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
const COMMON_NAME = [2, 5, 4, 3];
const BASIC_CONSTRAINTS = [2, 5, 29, 19];
const SUBJECT_ALT_NAME = [2, 5, 29, 17];

/** Valid from yesterday for ten years, for `name` as common and as alternative name. It is its own authority. */
export function selfSignedCertificate(name: string, now: Date): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = tlv(SEQUENCE, object(ECDSA_WITH_SHA256));
  const subject = tlv(SEQUENCE, tlv(SET, tlv(SEQUENCE, object(COMMON_NAME), tlv(UTF8, Buffer.from(name)))));
  // A first byte between 0x40 and 0x7f keeps the number positive and of full length.
  const serial = randomBytes(16);
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  const content = tlv(
    SEQUENCE,
    tlv(context(0), tlv(INTEGER, Buffer.of(2))), // version 3
    tlv(INTEGER, serial),
    algorithm,
    subject,
    tlv(SEQUENCE, time(new Date(now.getTime() - DAY_MS)), time(new Date(now.getTime() + 3650 * DAY_MS))),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(
      context(3),
      tlv(
        SEQUENCE,
        extension(BASIC_CONSTRAINTS, tlv(SEQUENCE, tlv(BOOLEAN, Buffer.of(0xff)))),
        extension(SUBJECT_ALT_NAME, tlv(SEQUENCE, tlv(DNS_NAME, Buffer.from(name)))),
      ),
    ),
  );
  const signature = sign("sha256", content, privateKey);
  const certificate = tlv(SEQUENCE, content, algorithm, tlv(BIT_STRING, Buffer.of(0), signature));
  return {
    certificatePem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** Tag, length, value. */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  if (value.length < 0x80) return Buffer.concat([Buffer.of(tag, value.length), value]);
  const length: number[] = [];
  for (let rest = value.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length, ...length), value]);
}

function object([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return tlv(OBJECT, Buffer.from(bytes));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return tlv(SEQUENCE, object(id), tlv(OCTET_STRING, value));
}

/** With two digits of the year as long as that is unambiguous (RFC 5280, 4.1.2.5). */
function time(at: Date): Buffer {
  const text = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050 ? tlv(UTC_TIME, Buffer.from(text.slice(2))) : tlv(GENERALIZED_TIME, Buffer.from(text));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
