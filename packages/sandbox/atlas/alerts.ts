// Alert configurations: kept and shown; no alert is ever raised.
import { iso, required } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";

type Alert = Record<string, unknown>;

/** None is ever raised. */
export const listRaised = (_emulator: Emulator, request: ApiRequest): Answer => ok(page(request.url, [], (alert) => alert));

export function getRaised(_emulator: Emulator, { params: { alertId = "" } }: ApiRequest): Answer {
  throw missing("ALERT_NOT_FOUND", `No alert with ID ${alertId} exists.`, alertId);
}

export function listAlerts(emulator: Emulator, request: ApiRequest): Answer {
  return ok(page(request.url, [...emulator.store.alertConfigs.values()], (alert) => alert));
}

function alertOf(emulator: Emulator, request: ApiRequest): Alert {
  const id = request.params.alertConfigId ?? "";
  const found = emulator.store.alertConfigs.get(id);
  if (found === undefined) throw missing("ALERT_CONFIG_NOT_FOUND", `No alert configuration with ID ${id} exists.`, id);
  return found;
}

export const getAlert = (emulator: Emulator, request: ApiRequest): Answer => ok(alertOf(emulator, request));

export function createAlert(emulator: Emulator, request: ApiRequest): Answer {
  const eventTypeName = required(request.body, "eventTypeName", "string");
  const id = emulator.mint();
  const now = iso(emulator.now());
  const links = [{ href: linkTo(emulator, `/alertConfigs/${id}`), rel: "self" }];
  const alert: Alert = {
    enabled: false,
    matchers: [],
    notifications: [],
    ...request.body,
    eventTypeName,
    id,
    groupId: emulator.store.groupId,
    created: now,
    updated: now,
    links,
  };
  emulator.store.alertConfigs.set(id, alert);
  emulator.tell("ALERT_CONFIG_ADDED_AUDIT");
  return ok(alert);
}

export function updateAlert(emulator: Emulator, request: ApiRequest): Answer {
  const alert = alertOf(emulator, request);
  const { id: _id, groupId: _group, created: _created, ...changes } = request.body;
  Object.assign(alert, changes, { updated: iso(emulator.now()) });
  emulator.tell("ALERT_CONFIG_CHANGED_AUDIT");
  return ok(alert);
}

export function deleteAlert(emulator: Emulator, request: ApiRequest): Answer {
  emulator.store.alertConfigs.delete(String(alertOf(emulator, request).id));
  emulator.tell("ALERT_CONFIG_DELETED_AUDIT");
  return GONE;
}
