// lifeboat hold, lifeboat release: exempting a restore point from expiry, and ending that.
import * as z from "zod/mini";
import { operation } from "../operation.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { setHold } from "../retention/hold.ts";
import { about, instant, iso, orNull, pointName, sourceName } from "../schemas.ts";

const held = z.strictObject({
  id: z.string(),
  name: z.string(),
  source: sourceName,
  held: about(z.boolean(), "It is on hold now."),
  expiresAt: about(orNull(instant), "When it expires, where this decided that."),
  note: about(orNull(z.string()), "What is not as the command's name suggests."),
});

export const hold = operation({
  name: "hold",
  access: "backup",
  oneJob: () => true,
  request: z.strictObject({ point: pointName, reason: z.optional(about(z.string(), "Why it must stay.")) }),
  result: held,
  async run(context, { point, reason }) {
    const found = await findAnyPoint(context, point, undefined, context);
    return heldOf(found.entry.point, await setHold(context, found, true, reason, context));
  },
});

export const release = operation({
  name: "release",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({ point: pointName }),
  result: held,
  async run(context, { point }) {
    const found = await findAnyPoint(context, point, undefined, context);
    return heldOf(found.entry.point, await setHold(context, found, false, undefined, context));
  },
});

const heldOf = (
  { id, name, source }: { readonly id: string; readonly name: string; readonly source: string },
  { held: isHeld, expiresAt, note }: Awaited<ReturnType<typeof setHold>>,
) => ({ id, name, source, held: isHeld, expiresAt: iso(expiresAt), note: note ?? null });
