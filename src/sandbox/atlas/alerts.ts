// Alert configurations: kept and shown; nothing is ever sent, so there is no alert either.
import { iso, required } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";
import { type Answer, type Call, GONE, ok, type Realm } from "./realm.ts";

type Alert = Record<string, unknown>;

/** None is ever raised. */
export const listRaised = (_realm: Realm, call: Call): Answer => ok(page(call.url, [], (alert) => alert));

export function getRaised(_realm: Realm, { params: { alertId = "" } }: Call): Answer {
  throw missing("ALERT_NOT_FOUND", `No alert with ID ${alertId} exists.`, alertId);
}

export function listAlerts(realm: Realm, call: Call): Answer {
  return ok(page(call.url, [...realm.world.alertConfigs.values()], (alert) => alert));
}

function alertOf(realm: Realm, call: Call): Alert {
  const id = call.params.alertConfigId ?? "";
  const found = realm.world.alertConfigs.get(id);
  if (found === undefined) throw missing("ALERT_CONFIG_NOT_FOUND", `No alert configuration with ID ${id} exists.`, id);
  return found;
}

export const getAlert = (realm: Realm, call: Call): Answer => ok(alertOf(realm, call));

export function createAlert(realm: Realm, call: Call): Answer {
  const eventTypeName = required(call.body, "eventTypeName", "string");
  const id = realm.mint();
  const now = iso(realm.now());
  const links = [{ href: linkTo(realm, `/alertConfigs/${id}`), rel: "self" }];
  const alert: Alert = {
    enabled: false,
    matchers: [],
    notifications: [],
    ...call.body,
    eventTypeName,
    id,
    groupId: realm.world.groupId,
    created: now,
    updated: now,
    links,
  };
  realm.world.alertConfigs.set(id, alert);
  realm.tell("ALERT_CONFIG_ADDED_AUDIT");
  return ok(alert);
}

export function updateAlert(realm: Realm, call: Call): Answer {
  const alert = alertOf(realm, call);
  const { id: _id, groupId: _group, created: _created, ...changes } = call.body;
  Object.assign(alert, changes, { updated: iso(realm.now()) });
  realm.tell("ALERT_CONFIG_CHANGED_AUDIT");
  return ok(alert);
}

export function deleteAlert(realm: Realm, call: Call): Answer {
  realm.world.alertConfigs.delete(String(alertOf(realm, call).id));
  realm.tell("ALERT_CONFIG_DELETED_AUDIT");
  return GONE;
}
