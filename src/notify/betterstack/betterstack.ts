// Alerts as incidents of Better Stack, and its heartbeat. The open incident of an alert is found by its name, so no id is kept here.
import { LifeboatError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { Work } from "../../ports/connection.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { deliver, delivererOf } from "../attempts.ts";
import { jsonOrder, type Order, parsedJson, request, requestOnce } from "../http.ts";
import { clip, digestOf, plainText, textOf } from "../text.ts";

const NAME_MAX = 200;
const SUMMARY_MAX = 1000;
const DESCRIPTION_MAX = 8000;
const PAGE = 50;
/** Each incident of a page holds a description that Lifeboat wrote. */
const MOST_PAGE_BYTES = 4 * 1024 * 1024;
/** Incidents that are open longer than so many others are not found again. */
const MOST_PAGES = 4;

interface Options {
  readonly heartbeat?: Secret | undefined;
  readonly token?: Secret | undefined;
  readonly requester?: string | undefined;
  readonly policy?: string | undefined;
  readonly by: readonly ("call" | "sms" | "email" | "push")[];
  readonly api: string;
}

export function makeNotifier({ options, ...wiring }: NotifierWiring<Options>): Notifier {
  const token = options.token?.read();
  const heartbeat = options.heartbeat?.read();
  const deliverer = delivererOf(wiring, [token, heartbeat]);

  const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
  const at = (path: string): string => `${options.api.replace(/\/$/, "")}/${path}`;
  const ask = async (path: string, order: Partial<Order>, body: unknown, work: Work | undefined): Promise<unknown> => {
    const url = at(path);
    const whole = body === undefined ? { ...order, url, headers } : jsonOrder(url, body, { ...order, headers });
    return parsedJson((await request(deliverer, whole, work)).text);
  };

  const findOpen = async (alert: Alert, work: Work | undefined): Promise<string | undefined> => {
    for (let page = 1; page <= MOST_PAGES; page++) {
      const incidents = incidentsIn(
        await ask(`incidents?resolved=false&per_page=${PAGE}&page=${page}`, { method: "GET", mostBytes: MOST_PAGE_BYTES }, undefined, work),
      );
      const found = incidents.find(({ name, isResolved }) => !isResolved && name.endsWith(markOf(alert)));
      if (found !== undefined || incidents.length < PAGE) return found?.id;
    }
    return undefined;
  };

  // Resolved or deleted by someone else meanwhile.
  const resolve = (id: string, work: Work | undefined) =>
    ask(`incidents/${encodeURIComponent(id)}/resolve`, { accept: [404, 409] }, { resolved_by: "Lifeboat" }, work);

  const open = (alert: Alert, work: Work | undefined) => {
    const by = (way: Options["by"][number]) => alert.event !== "test" && options.by.includes(way);
    const { headline, summary } = textOf(alert);
    const escalation =
      options.policy === undefined || alert.event === "test"
        ? { call: by("call"), sms: by("sms"), email: by("email"), push: by("push") }
        : { policy_id: options.policy };
    const incident = {
      requester_email: options.requester,
      name: `${clip(headline, NAME_MAX)}${markOf(alert)}`,
      summary: clip(summary, SUMMARY_MAX),
      description: clip(plainText(textOf(alert)), DESCRIPTION_MAX),
      ...escalation,
    };
    // The answer to an earlier attempt may be what was lost, and not the incident.
    let attempts = 0;
    const once = async (signal: AbortSignal): Promise<void> => {
      if (attempts++ > 0 && (await findOpen(alert, { signal })) !== undefined) return;
      await requestOnce(deliverer, jsonOrder(at("incidents"), incident, { headers }), signal);
    };
    return deliver(deliverer, once, work);
  };

  return {
    ...(token !== undefined && {
      async send(alert, work) {
        const known = await findOpen(alert, work);
        // The incident of a reminder escalates by itself.
        if (alert.event !== "closed" && known === undefined) await open(alert, work);
        if (alert.event !== "closed" && alert.event !== "test") return;
        const id = known ?? (alert.event === "test" ? await findOpen(alert, work) : undefined);
        if (id !== undefined) await resolve(id, work);
      },
    }),
    ...(heartbeat !== undefined && {
      async heartbeat(state, work) {
        await request(deliverer, { url: state === "ok" ? heartbeat : `${heartbeat.replace(/\/$/, "")}/fail` }, work);
      },
    }),
  };
}

/** Ends the name of an incident; equal for every event of an alert. */
const markOf = ({ identity }: Alert): string => ` [${digestOf(identity).slice(0, 12)}]`;

interface Incident {
  readonly id: string;
  readonly name: string;
  readonly isResolved: boolean;
}

function incidentsIn(body: unknown): Incident[] {
  const list = fieldOf(body, "data");
  // An answer that cannot be read must not count as "none is open".
  if (!Array.isArray(list)) throw new LifeboatError("NOTIFY_FAILED", "the list of incidents at Better Stack cannot be read");
  return list.map((item: unknown) => {
    const attributes = fieldOf(item, "attributes");
    const isResolved = (fieldOf(attributes, "resolved_at") ?? null) !== null;
    return { id: String(fieldOf(item, "id")), name: String(fieldOf(attributes, "name")), isResolved };
  });
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
