// lifeboat alerts: what is wrong, as the last beat found it.
import * as z from "zod/mini";
import type { Alert } from "../../core/alerts.ts";
import { isHealthCode, nextOfFinding } from "../../core/monitors.ts";
import { operation } from "../operation.ts";
import { about, count, instant, named, nextAction, orNull, sourceName } from "../schemas.ts";
import { openAlerts } from "../watch/beat.ts";

const alertShape = z.strictObject({
  source: about(orNull(sourceName), "Null: of the repository or of this Lifeboat itself."),
  code: about(z.string(), "As in `status`."),
  about: about(orNull(z.string()), "The limit, table or channel that it is about, where one code can be several alerts."),
  severity: about(z.enum(["critical", "warning"]), "By the code."),
  message: z.string(),
  openedAt: instant,
  toldAt: about(instant, "When channels were last told."),
  reminders: about(count, "How often channels were told again."),
  next: about(orNull(nextAction), "Null: a later version opened it."),
});
export const alertSchema = named(
  "alert",
  "Something that is wrong with a source, from when it was found until it is right again.",
  alertShape,
);

export const alertJson = ({
  source,
  code,
  about: subject,
  severity,
  message,
  openedAt,
  toldAt,
  reminders,
  next,
}: Alert): z.infer<typeof alertSchema> => ({
  source,
  code,
  about: subject ?? null,
  severity,
  message,
  openedAt: openedAt.toISOString(),
  toldAt: toldAt.toISOString(),
  reminders,
  next: isHealthCode(code) ? nextOfFinding({ code, next }, source) : null,
});

export const alerts = operation({
  name: "alerts",
  access: "look",
  request: z.strictObject({}),
  result: z.strictObject({ open: z.array(alertSchema) }),
  run: async (context) => ({ open: (await openAlerts(context, context.signal)).map(alertJson) }),
});
