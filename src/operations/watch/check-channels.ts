// The notification channels of the configuration, as `check` sees them. Nothing is sent: `notify test` does that.
import { asLifeboatError } from "../../core/errors.ts";
import { type Route, unheardSources } from "../../core/routes.ts";
import { visible } from "../../core/visible.ts";
import type { Context } from "../context.ts";
import type { Finding } from "./check.ts";

/** Names channels whose options cannot work, and sources whose critical alerts no channel receives. */
export async function checkChannels({ notifiers, sources }: Pick<Context, "notifiers" | "sources">): Promise<Finding[]> {
  if (notifiers === undefined || notifiers.size === 0) return [];
  const findings: Finding[] = [];
  const routes: Route[] = [];
  for (const { name, kind, route, notifier } of notifiers.values()) {
    const about = `channel ${visible(name)}`;
    try {
      const { send } = await notifier();
      if (send !== undefined) routes.push(route);
      const message = send === undefined ? `${kind} receives the heartbeat, and no alerts` : `${kind} can be asked`;
      findings.push({ name: about, outcome: "pass", message });
    } catch (error) {
      const { code, message, hint } = asLifeboatError(error);
      findings.push({ name: about, outcome: "fail", message, next: hint, code });
    }
  }
  const unheard = unheardSources(routes, sources.keys());
  if (unheard.length > 0)
    findings.push({
      name: "channels",
      outcome: "inconclusive",
      message: `no channel receives critical alerts of ${unheard.map(visible).join(", ")}`,
      next: "add the source to `sources` of a channel under `notify`, and critical to its `severities`",
    });
  return findings;
}
