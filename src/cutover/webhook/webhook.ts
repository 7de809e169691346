// Requests to a webhook, signed as Standard Webhooks 1.0.0 says. Each answers when it is done: the one to deploy, when the application is.
import { createHmac } from "node:crypto";
import type { Secret } from "../../core/secret.ts";
import type { Work } from "../../ports/connection.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { callerOf, fieldsOf, TIMEOUTS, textOf } from "../http.ts";

interface Options {
  readonly url: Secret;
  readonly secret: Secret;
}

export function makeCutOver({ options, variable, timeouts = TIMEOUTS, ...wiring }: CutOverWiring<Options>): CutOver {
  const [url, secret] = [options.url.read(), options.secret.read()];
  const secrets = [url, secret, new URL(url).pathname];
  const caller = callerOf({ ...wiring, timeouts }, url, {}, secrets);
  const deployer = callerOf({ ...wiring, timeouts: { ...timeouts, requestMs: timeouts.deployMs, attempts: 1 } }, url, {}, secrets);
  const hide = (value: string): void => {
    for (const one of [caller, deployer]) one.hide(value);
  };
  const post = (type: string, data: Readonly<Record<string, string>>, work: Work | undefined, by = caller) => {
    const now = wiring.clock.now();
    const id = `msg_${Buffer.from(wiring.clock.randomBytes(16)).toString("hex")}`;
    const body = JSON.stringify({ type, timestamp: now.toISOString(), data: { variable, ...data } });
    const timestamp = Math.floor(now.getTime() / 1000).toString();
    const signature = createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64")).update(`${id}.${timestamp}.${body}`);
    const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature.digest("base64")}` };
    return by.call({ method: "POST", path: "", body, headers }, work);
  };
  return {
    /** 204: the receiver keeps the value to itself. 404: it has no such variable. */
    async read(work) {
      const { json } = await post("cutover.read", {}, work);
      const value = textOf(fieldsOf(json).value);
      if (value !== undefined) hide(value);
      return { value };
    },
    async set(value, work) {
      hide(value);
      await post("cutover.set", { value }, work);
    },
    async deploy(work) {
      await post("cutover.deploy", {}, work, deployer);
    },
  };
}
