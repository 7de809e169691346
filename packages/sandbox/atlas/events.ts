// Events of the project, newest first.
import { instant, iso } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";
import type { EventRecord } from "./state.ts";

const view = (emulator: Emulator, event: EventRecord): object => ({
  ...event.more,
  ...(event.clusterName === undefined ? {} : { clusterName: event.clusterName }),
  created: iso(event.created),
  eventTypeName: event.eventTypeName,
  groupId: emulator.store.groupId,
  id: event.id,
  isGlobalAdmin: event.isGlobalAdmin,
  links: [{ href: linkTo(emulator, `/events/${event.id}`), rel: "self" }],
  orgId: emulator.store.orgId,
  raw: null,
});

export function listEvents(emulator: Emulator, request: ApiRequest): Answer {
  const query = request.url.searchParams;
  const wanted = query.getAll("eventType");
  const unwanted = query.getAll("excludedEventType");
  const clusters = query.getAll("clusterNames");
  const limit = (name: string): Date | undefined => (query.has(name) ? instant(query.get(name) ?? "", name) : undefined);
  const [from, to] = [limit("minDate"), limit("maxDate")];
  const meant = emulator.store.events.filter(
    (event) =>
      (wanted.length === 0 || wanted.includes(event.eventTypeName)) &&
      !unwanted.includes(event.eventTypeName) &&
      (clusters.length === 0 || clusters.includes(event.clusterName ?? "")) &&
      (from === undefined || event.created >= from) &&
      (to === undefined || event.created <= to),
  );
  return ok(page(request.url, meant.reverse(), (event) => view(emulator, event)));
}

export function getEvent(emulator: Emulator, request: ApiRequest): Answer {
  const found = emulator.store.events.find((event) => event.id === request.params.eventId);
  if (found === undefined) throw missing("EVENT_NOT_FOUND", `No event with ID ${request.params.eventId} exists.`, request.params.eventId);
  return ok(view(emulator, found));
}
