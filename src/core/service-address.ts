// Addresses of services, as the types of option values.
import { Mismatch, type Type } from "../core/option.ts";
import { written } from "../core/option-types.ts";

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** No request can be made to an address with a login. */
function withoutLogin(text: string): string {
  const { username, password } = new URL(text);
  if (username !== "" || password !== "") throw new Mismatch("must have no user and password in it");
  return text;
}

/** The address of a service. It is a secret in itself, so it goes over https; http only to this machine. The message never repeats it. */
export function readSecretAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !isPrivate(url)) throw new Mismatch("must be an https address");
  return text;
}

export const secretAddress: Type<string> = written("https address", {}, (text) => withoutLogin(readSecretAddress(text)));

const isPrivate = ({ protocol, hostname }: URL): boolean => protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));

/** Tells whether the host is this machine. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** The address of a service in the user's own network, where http is common. It may hold a token. */
export const address: Type<string> = written("http or https address", {}, (text) => {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw new Mismatch("must be an http or https address");
  return withoutLogin(text);
});

/** `whsec_` and the base64 of 24 to 64 random bytes. The message never repeats it. */
export const signingSecret = written("signing secret", {}, (text) => {
  const base64 = text.startsWith("whsec_") ? text.slice("whsec_".length) : "";
  const key = Buffer.from(base64, "base64");
  if (key.toString("base64") !== base64 || key.length < 24 || key.length > 64)
    throw new Mismatch("must be whsec_ and the base64 of 24 to 64 random bytes; `echo whsec_$(openssl rand -base64 32)` makes one");
  return text;
});
