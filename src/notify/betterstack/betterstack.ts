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
const MOST_PAGES = 100;
/** How long the list of open incidents is kept: many alerts of one cause read it once. */
const KEPT_MS = 30_000;

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

  const listOpen = async (work: Work | undefined): Promise<Map<string, string>> => {
    const open = new Map<string, string>();
    for (let page = 1; page <= MOST_PAGES; page++) {
      const incidents = incidentsIn(
        await ask(`incidents?resolved=false&per_page=${PAGE}&page=${page}`, { method: "GET", mostBytes: MOST_PAGE_BYTES }, undefined, work),
      );
      for (const { id, name, isResolved } of incidents) if (!isResolved) open.set(name.slice(-MARK_LENGTH), id);
      if (incidents.length < PAGE) break;
    }
    return open;
  };

  let kept: { readonly open: Promise<Map<string, string>>; readonly untilMs: number } | undefined;
  /** Ids of the open incidents by the marks of their names, with what this process opened and resolved since. `anew`: read now. */
  const openIncidents = (work: Work | undefined, anew = false): Promise<Map<string, string>> => {
    const nowMs = wiring.clock.monotonicMs();
    if (kept !== undefined && !anew && nowMs < kept.untilMs) return kept.open;
    const open = listOpen(work);
    kept = { open, untilMs: nowMs + KEPT_MS };
    // The next alert reads it again.
    open.catch(() => {
      if (kept?.open === open) kept = undefined;
    });
    return open;
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
      if (attempts++ > 0 && (await openIncidents({ signal }, true)).has(markOf(alert))) return;
      const { text } = await requestOnce(deliverer, jsonOrder(at("incidents"), incident, { headers }), signal);
      const id = fieldOf(fieldOf(parsedJson(text), "data"), "id");
      if (id === undefined) kept = undefined;
      else (await openIncidents({ signal })).set(markOf(alert), String(id));
    };
    return deliver(deliverer, once, work);
  };

  return {
    ...(token !== undefined && {
      async send(alert, work) {
        const mark = markOf(alert);
        const known = (await openIncidents(work)).get(mark);
        // The incident of a reminder escalates by itself.
        if (alert.event !== "closed" && known === undefined) await open(alert, work);
        if (alert.event !== "closed" && alert.event !== "test") return;
        const incidents = await openIncidents(work);
        const id = known ?? incidents.get(mark);
        if (id === undefined) return;
        await resolve(id, work);
        incidents.delete(mark);
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
const MARK_LENGTH = " [123456789abc]".length;

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
