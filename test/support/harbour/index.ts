// A provider that no one has heard of, and a storage: what adding one takes. A berth at the harbour is a PostgreSQL whose address only
// the holder of a token learns.
import { Mismatch } from "../../../src/core/option.ts";
import { integer, oneOf, text } from "../../../src/core/option-types.ts";
import { POSTGRES, SQL_CHECKS } from "../../../src/engines/postgres/index.ts";
import { defineProvider, defineStorage } from "../../../src/ports/descriptor.ts";
import type { Storage } from "../../../src/ports/storage.ts";

export const harbour = defineProvider({
  name: "harbour",
  engine: POSTGRES,
  engineOptions: {},
  options: {
    berth: { type: integer(1), required: true, help: "Number of the berth.", example: "7" },
    token: { type: text, secret: true, needed: "the token", env: "HARBOUR_TOKEN", help: "Token of the harbour." },
    plan: { type: oneOf(["day", "season"]), default: "day", help: "How long the berth is rented." },
  },
  rule: ({ berth, plan }) => (berth === 13 && plan === "season" ? "berth 13 is rented by the day only" : undefined),
  managed: false,
  archives: false,
  scratchHere: true,
  objectives: { rtoSeconds: 7 * 60, rpoSeconds: 3 * 60 },
  windowMs: 86_400_000,
  pointsBy: "snapshot",
  form: "snapshot",
  cannotMake: ["branch"],
  init: {
    byUrl: false,
    variables: ["HARBOUR_TOKEN"],
    place: () => ["berth: 7"],
    checks: SQL_CHECKS,
    policy: ["window: 1d"],
    next: () => "export HARBOUR_TOKEN=…",
  },
  async load() {
    const { createHarbourProvider } = await import("./provider.ts");
    const { openPostgresEngine } = await import("../../../src/engines/postgres/engine.ts");
    return {
      makeProvider: ({ options: { berth, token }, scratch, tools }) => createHarbourProvider({ berth, token, scratch, tools }),
      makeEngine: ({ tools, isolation }) => openPostgresEngine({ bin: tools, isolation }),
    };
  },
});

const shelves = new Map<string, Storage>();

/** Shelves of this process's memory. */
export const shelf = defineStorage({
  scheme: "shelf",
  example: "shelf://left",
  options: { height: { type: integer(1), help: "How high it hangs." } },
  parameters: { h: "height" },
  place(url) {
    if (url.hostname === "") throw new Mismatch("names no shelf");
    return { name: url.hostname };
  },
  async load() {
    const { memoryStorage } = await import("../memory-storage.ts");
    return {
      async open({ place: { name }, options: { height = 1 } }) {
        const key = `${name}-${height}`;
        const storage = shelves.get(key) ?? { ...memoryStorage({ now: () => new Date() }), url: `shelf://${name}` };
        shelves.set(key, storage);
        return storage;
      },
    };
  },
});
