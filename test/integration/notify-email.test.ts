// Alerts as email, against a real SMTP server with TLS, logins and refusals.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { isLifeboatError, type LifeboatError } from "../../src/core/errors.ts";
import { makeNotifier } from "../../src/notify/email/email.ts";
import type { Notifier, Timeouts } from "../../src/ports/notifier.ts";
import { alertOf, hostileAlert, hugeAlert, QUICK, secret, wiringOf } from "../support/notify/peer.ts";
import { temporaryDirectory } from "../support/repository.ts";

const PASSWORD = "correct-horse-battery";
let certificate: { readonly file: string; readonly cert: string; readonly key: string };

before(async (t) => {
  const folder = await temporaryDirectory(t as TestContext);
  const [file, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", file, ...subject],
    {
      stdio: "ignore",
    },
  );
  certificate = { file, cert: readFileSync(file, "utf8"), key: readFileSync(key, "utf8") };
});

interface Mail {
  readonly recipients: readonly string[];
  readonly text: string;
  readonly isEncrypted: boolean;
  readonly user: string | undefined;
}

async function beginServer(t: TestContext, options: SMTPServerOptions = {}) {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    ...{ cert: certificate.cert, key: certificate.key, authOptional: true, logger: false, closeTimeout: 100 },
    onAuth: ({ username, password }, _session, callback) =>
      password === PASSWORD
        ? callback(null, { user: username })
        : callback(Object.assign(new Error("Invalid login"), { responseCode: 535 })),
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        const user = typeof session.user === "string" ? session.user : undefined;
        mails.push({ recipients, text: Buffer.concat(chunks).toString("utf8"), isEncrypted: session.secure === true, user });
        callback();
      });
    },
    ...options,
  });
  server.on("error", () => {}); // a client that does not trust the certificate ends the connection
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { mails, port: (server.server.address() as AddressInfo).port };
}

type Options = Parameters<typeof makeNotifier>[0]["options"];

const mailer = (port: number, options: Partial<Options> = {}, timeouts: Timeouts = { ...QUICK, requestMs: 5000 }): Notifier =>
  makeNotifier(
    wiringOf(
      {
        ...{ host: "localhost", port, tls: "starttls" as const, caFile: certificate.file },
        ...{ from: "Lifeboat <lifeboat@example.com>", to: ["ops@example.com", "dba@example.com"] },
        ...options,
      },
      timeouts,
    ),
  );

async function failureOf(notifier: Notifier): Promise<LifeboatError> {
  try {
    await notifier.send?.(alertOf());
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  return assert.fail("nothing failed");
}

/** The header's value, with its continuation lines. */
const header = (mail: Mail | undefined, name: string): string =>
  new RegExp(`^${name}: (.*(?:\\r\\n[ \\t].*)*)`, "mi").exec(mail?.text.split("\r\n\r\n")[0] ?? "")?.[1] ?? "";

test("R37 email is encrypted, logged in, in text and HTML, and one alert is one thread", async (t) => {
  const { mails, port } = await beginServer(t);
  const notifier = mailer(port, { user: "lifeboat", password: secret(PASSWORD) });
  await notifier.send?.(alertOf());
  await notifier.send?.(alertOf({ event: "reminder", at: new Date("2026-11-28T08:00:00Z") }));
  await notifier.send?.(alertOf({ event: "closed", at: new Date("2026-11-28T09:00:00Z") }));
  const [opened, reminded, closed] = mails;
  assert.deepEqual(
    mails.map(({ recipients, isEncrypted, user }) => [recipients.join(), isEncrypted, user]),
    Array.from({ length: 3 }, () => ["ops@example.com,dba@example.com", true, "lifeboat"]),
  );
  assert.equal(header(opened, "Subject"), "[Lifeboat] CRITICAL shop: Backup overdue");
  assert.match(header(reminded, "Subject"), /STILL CRITICAL/);
  assert.match(header(closed, "Subject"), /OVER/);
  assert.equal(header(opened, "Auto-Submitted"), "auto-generated");
  assert.match(
    opened?.text ?? "",
    /multipart\/alternative[\s\S]*text\/plain[\s\S]*next: lifeboat backup shop[\s\S]*text\/html[\s\S]*<code>lifeboat/,
  );
  assert.match(header(opened, "Message-ID"), /^<[0-9a-f]{32}@example\.com>$/);
  for (const later of [reminded, closed]) assert.equal(header(later, "In-Reply-To"), header(opened, "Message-ID"));
  assert.notEqual(header(reminded, "Message-ID"), header(closed, "Message-ID"));
});

test("R37 names of a source add no header, recipient or HTML to an email", async (t) => {
  const { mails, port } = await beginServer(t);
  await mailer(port).send?.(hostileAlert());
  await mailer(port).send?.(hugeAlert());
  const [mail] = mails;
  assert.deepEqual(mail?.recipients, ["ops@example.com", "dba@example.com"]);
  assert.equal(header(mail, "Bcc"), "");
  const text = mail?.text.replaceAll("=\r\n", "").replaceAll("=3D", "=") ?? "";
  assert.doesNotMatch(text.slice(text.indexOf("text/html")), /<img|<script|<at>|onerror="/);
  assert.match(text, /&lt;img src=x/);
});

test("R36 R37 many alerts are one email with their count, the worst first, and names that add nothing", async (t) => {
  const { mails, port } = await beginServer(t);
  const down = Array.from({ length: 40 }, (_, index) => alertOf({ source: `s${index}`, message: `s${index}: connection refused` }));
  const at = new Date("2026-11-28T02:00:00Z");
  await mailer(port).sendGroup?.({
    event: "opened",
    alerts: [...down, hostileAlert({ severity: "warning", code: "NEVER_VERIFIED" })],
    at,
    next: "lifeboat status",
  });
  const [mail] = mails;
  const subject = header(mail, "Subject").replaceAll("\r\n", "");
  assert.equal(subject, "[Lifeboat] CRITICAL 41 alerts of 41 sources: BACKUP_OVERDUE (40), NEVER_VERIFIED (1)");
  assert.equal(header(mail, "Bcc") + header(mail, "In-Reply-To"), "");
  const text = mail?.text.replaceAll("=\r\n", "").replaceAll("=3D", "=") ?? "";
  assert.match(
    text,
    /critical BACKUP_OVERDUE, 40 alerts: s0, .*s9 and 30 more\r\n {2}s0: connection refused\r\nwarning [\s\S]*next: lifeboat status/,
  );
  const html = text.slice(text.indexOf("text/html"));
  assert.match(html, /and 30 more<br>/);
  assert.doesNotMatch(html, /<img|<script|<at>|onerror="/);
});

test("R37 a mail server without STARTTLS or with an untrusted certificate gets no email", async (t) => {
  const implicit = await beginServer(t, { secure: true });
  await mailer(implicit.port, { tls: "implicit" }).send?.(alertOf());
  assert.equal(implicit.mails[0]?.isEncrypted, true);

  const open = await beginServer(t, { disabledCommands: ["STARTTLS"] });
  const refused = await failureOf(mailer(open.port, { user: "lifeboat", password: secret(PASSWORD) }));
  assert.equal(refused.code, "NOTIFY_REFUSED");
  assert.deepEqual(open.mails, []);
  await mailer(open.port, { tls: "none" }).send?.(alertOf());
  assert.equal(open.mails.length, 1);

  const strange = await beginServer(t);
  const failed = await failureOf(mailer(strange.port, { caFile: undefined }));
  assert.match(failed.message, /^channel "team" could not be reached: .*self-signed/);
  assert.deepEqual(strange.mails, []);
});

test("R37 a mail server's 421 is tried again; a 550 and a wrong password are not", async (t) => {
  let busy = 1;
  const later = await beginServer(t, {
    onMailFrom(_address, _session, callback) {
      if (busy-- > 0) return callback(Object.assign(new Error(`try later ${PASSWORD}`), { responseCode: 421 }));
      callback();
    },
  });
  await mailer(later.port).send?.(alertOf());
  assert.equal(later.mails.length, 1);
  busy = 100;
  const failed = await failureOf(mailer(later.port, { user: "lifeboat", password: secret(PASSWORD) }));
  assert.equal(failed.code, "NOTIFY_FAILED");

  let asked = 0;
  const unknown = await beginServer(t, {
    onRcptTo({ address }, _session, callback) {
      asked += 1;
      if (address.startsWith("dba")) return callback(Object.assign(new Error("no such user"), { responseCode: 550 }));
      callback();
    },
  });
  const half = await failureOf(mailer(unknown.port));
  assert.deepEqual([half.code, half.message], ["NOTIFY_REFUSED", 'channel "team" refused 1 of 2 recipients']);
  const none = await failureOf(mailer(unknown.port, { to: ["dba@example.com"] }));
  assert.deepEqual([none.code, /550.*no such user/.test(none.message)], ["NOTIFY_REFUSED", true]);
  assert.equal(asked, 3);

  const wrong = await failureOf(mailer(unknown.port, { user: "lifeboat", password: secret("wrong-password-1") }));
  assert.equal(wrong.code, "NOTIFY_REFUSED");
  for (const { message } of [failed, wrong]) assert.doesNotMatch(message, /correct-horse|wrong-password/);
});

test("R37 a mail server that hangs or is away ends with NOTIFY_FAILED, and an abort with its reason", async (t) => {
  const { port } = await beginServer(t, { onConnect: () => {} });
  const quick = { ...QUICK, requestMs: 100, attempts: 2 };
  const hung = await failureOf(mailer(port, {}, quick));
  assert.deepEqual([hung.code, /did not answer within 0.1 s|could not be reached/.test(hung.message)], ["NOTIFY_FAILED", true]);
  const away = await failureOf(mailer(1, {}, quick));
  assert.match(away.message, /^channel "team" could not be reached: .*ECONNREFUSED/);
  const reason = new Error("stopped");
  await assert.rejects(async () => mailer(port).send?.(alertOf(), { signal: AbortSignal.abort(reason) }), reason);
});
