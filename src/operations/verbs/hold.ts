// lifeboat hold, lifeboat release: exempting a restore point from expiry, and ending that.
import * as z from "zod/mini";
import { isLifeboatError } from "../../core/errors.ts";
import { type OperationContext, operation } from "../operation.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { type HoldResult, holdUndo, setHold } from "../retention/hold.ts";
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
    return await change(context, point, true, reason);
  },
});

export const release = operation({
  name: "release",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({ point: pointName }),
  result: held,
  async run(context, { point }) {
    return await change(context, point, false, undefined);
  },
});

/** A restore point, or the undo set of a job. */
async function change(context: OperationContext, wanted: string, held: boolean, reason: string | undefined) {
  try {
    const found = await findAnyPoint(context, wanted, undefined, context);
    return heldOf(found.entry.point, await setHold(context, found, held, reason, context));
  } catch (error) {
    const undo = isLifeboatError(error, "POINT_UNKNOWN") ? await holdUndo(context, wanted, held, reason, context) : undefined;
    if (undo === undefined) throw error;
    return heldOf(undo, undo);
  }
}

const heldOf = (
  { id, name, source }: { readonly id: string; readonly name: string; readonly source: string },
  { held: isHeld, expiresAt, note }: HoldResult,
) => ({ id, name, source, held: isHeld, expiresAt: iso(expiresAt), note: note ?? null });
