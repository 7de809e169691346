// What is required of this machine before a scratch server may hold foreign code: a cell to run it in, or the configuration's consent.
import { LifeboatError } from "../../../core/errors.ts";
import { type CellSupport, cellSupport, ISOLATED, NOT_ISOLATED } from "../../../process/cell.ts";
import { type ServerUser, serverUser } from "../../../process/server-user.ts";

/** `required`: without a cell there is no server. `none`: the configuration takes the risk, and evidence says so. */
export type Isolation = "required" | "none";

export const isolationInWords = (isolation: Isolation): string => (isolation === "none" ? NOT_ISOLATED : ISOLATED);

/** ISOLATION_MISSING, with the reason, where a cell is required and cannot be made; undefined where none is wanted. */
export async function requireCell(isolation: Isolation, user?: ServerUser): Promise<CellSupport | undefined> {
  if (isolation === "none") return undefined;
  const support = await cellSupport(user ?? (await serverUser()) ?? ourselves());
  if (!("missing" in support)) return support;
  throw new LifeboatError("ISOLATION_MISSING", `restored code cannot be kept from this machine: ${support.missing}`, {
    details: { reason: support.missing },
  });
}

const ourselves = (): ServerUser => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
