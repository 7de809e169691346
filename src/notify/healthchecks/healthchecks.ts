// The heartbeat of a check. Healthchecks notifies people itself, when the check fails or the heartbeat stops.
import type { Secret } from "../../core/secret.ts";
import type { Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { request } from "../http.ts";

export function makeNotifier({ options, ...wiring }: NotifierWiring<{ readonly url: Secret }>): Notifier {
  const url = options.url.read();
  const deliverer = delivererOf(wiring, [url]);
  return {
    async heartbeat(state, work) {
      const ping = new URL(url);
      if (state === "fail") ping.pathname = `${ping.pathname.replace(/\/$/, "")}/fail`;
      await request(deliverer, { url: ping.href }, work);
    },
  };
}
