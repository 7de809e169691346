import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { selfSignedCertificate } from "./certificate.ts";

test("a certificate is a valid one of its own key, signed by itself, for its name and ten years", () => {
  for (const name of ["localhost", `${"long.".repeat(40)}example`]) {
    const now = new Date("2049-12-31T12:00:00.500Z"); // across the year at which certificates change their form of dates
    const { certificatePem, keyPem } = selfSignedCertificate(name, now);
    const certificate = new X509Certificate(certificatePem);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(keyPem)));
    assert.ok(certificate.verify(certificate.publicKey));
    assert.ok(certificate.checkIssued(certificate));
    assert.equal(certificate.checkHost(name), name);
    assert.equal(certificate.ca, true);
    assert.equal(new Date(certificate.validFrom).toISOString(), "2049-12-30T12:00:00.000Z");
    assert.equal(new Date(certificate.validTo).toISOString(), "2059-12-29T12:00:00.000Z");
  }
});

test("no two certificates share a serial number", () => {
  const serial = (): string => new X509Certificate(selfSignedCertificate("localhost", new Date()).certificatePem).serialNumber;
  assert.notEqual(serial(), serial());
});
