// Email, through an SMTP server.
import { listOf, Mismatch } from "../../core/option.ts";
import { oneOf, path, port, text, written } from "../../core/option-types.ts";
import { isLoopback } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

/** One address, with or without a name; not a list, and no second header line. */
const mailbox = written("email address", {}, (raw) => {
  if (!/^[^@\s<>,;]+@[^@\s<>,;]+$/.test(raw) && !/^[^<>,;"\r\n]* ?<[^@\s<>,;]+@[^@\s<>,;]+>$/.test(raw))
    throw new Mismatch('must be one email address, such as ops@example.com or "Ops <ops@example.com>"');
  return raw;
});

const options = {
  host: { type: text, required: true, help: "Name of the SMTP server.", example: "smtp.example.com" },
  port: { type: port, help: "Default: 587, or 465 with `tls: implicit`." },
  tls: {
    type: oneOf(["starttls", "implicit", "none"]),
    default: "starttls",
    help: "How the connection is encrypted: STARTTLS is required, TLS from the first byte, or not at all.",
  },
  caFile: { type: path, help: "File with the certificate of an authority of your own, in PEM." },
  user: { type: text, help: "User to log in as. Default: no login." },
  password: { type: text, secret: true, help: "The user's password.", example: "${SMTP_PASSWORD}" },
  from: { type: mailbox, required: true, help: "Sender.", example: "lifeboat@example.com" },
  to: { type: listOf(mailbox), required: true, help: "Recipients.", example: "[ops@example.com]" },
} as const;

export const email = defineNotifier({
  kind: "email",
  options,
  rule({ host, tls, user, password, to }) {
    if (Array.isArray(to) && to.length === 0) return { path: ["to"], message: "must name a recipient" };
    if ((user === undefined) !== (password === undefined)) return "user and password need each other";
    const isOpen = tls === "none" && password !== undefined && !isLoopback(String(host));
    return isOpen ? "a password would be sent unencrypted: set tls to starttls or implicit" : undefined;
  },
  load: () => import("./email.ts"),
});
