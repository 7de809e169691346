// Alert configurations: kept and shown; nothing is ever sent, so there is no alert either.
import { iso, required } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type Call, type Emulator, GONE, ok } from "./emulator.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";

type Alert = Record<string, unknown>;

/** None is ever raised. */
export const listRaised = (_emulator: Emulator, call: Call): Answer => ok(page(call.url, [], (alert) => alert));

export function getRaised(_emulator: Emulator, { params: { alertId = "" } }: Call): Answer {
  throw missing("ALERT_NOT_FOUND", `No alert with ID ${alertId} exists.`, alertId);
}

export function listAlerts(emulator: Emulator, call: Call): Answer {
  return ok(page(call.url, [...emulator.world.alertConfigs.values()], (alert) => alert));
}

function alertOf(emulator: Emulator, call: Call): Alert {
  const id = call.params.alertConfigId ?? "";
  const found = emulator.world.alertConfigs.get(id);
  if (found === undefined) throw missing("ALERT_CONFIG_NOT_FOUND", `No alert configuration with ID ${id} exists.`, id);
  return found;
}

export const getAlert = (emulator: Emulator, call: Call): Answer => ok(alertOf(emulator, call));

export function createAlert(emulator: Emulator, call: Call): Answer {
  const eventTypeName = required(call.body, "eventTypeName", "string");
  const id = emulator.mint();
  const now = iso(emulator.now());
  const links = [{ href: linkTo(emulator, `/alertConfigs/${id}`), rel: "self" }];
  const alert: Alert = {
    enabled: false,
    matchers: [],
    notifications: [],
    ...call.body,
    eventTypeName,
    id,
    groupId: emulator.world.groupId,
    created: now,
    updated: now,
    links,
  };
  emulator.world.alertConfigs.set(id, alert);
  emulator.tell("ALERT_CONFIG_ADDED_AUDIT");
  return ok(alert);
}

export function updateAlert(emulator: Emulator, call: Call): Answer {
  const alert = alertOf(emulator, call);
  const { id: _id, groupId: _group, created: _created, ...changes } = call.body;
  Object.assign(alert, changes, { updated: iso(emulator.now()) });
  emulator.tell("ALERT_CONFIG_CHANGED_AUDIT");
  return ok(alert);
}

export function deleteAlert(emulator: Emulator, call: Call): Answer {
  emulator.world.alertConfigs.delete(String(alertOf(emulator, call).id));
  emulator.tell("ALERT_CONFIG_DELETED_AUDIT");
  return GONE;
}
