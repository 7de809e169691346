// The provider's code: the harbour's office gives the address of a berth to those who have its token.
import type { Secret } from "../../../src/core/secret.ts";
import { connectionFromUrl } from "../../../src/engines/postgres/connect/url.ts";
import type { ScratchSurroundings } from "../../../src/engines/postgres/scratch/options.ts";
import { scratchPlace } from "../../../src/engines/postgres/scratch/scratch.ts";
import type { Provider } from "../../../src/ports/provider.ts";

/** Addresses by berth and token. */
export const OFFICE = new Map<string, string>();

export function createHarbourProvider(options: ScratchSurroundings & { readonly berth: number; readonly token: Secret }): Provider {
  const connection = async () => connectionFromUrl(OFFICE.get(`${options.berth} ${options.token.read()}`) ?? "");
  const scratch = scratchPlace(options, connection);
  return {
    name: "harbour",
    capabilities: { scratch: true, physical: false },
    connection,
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    undo: async (resource, maker, work) => (await scratch.undo(resource, maker, work)) ?? "elsewhere",
  };
}
