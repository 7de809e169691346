// What each provider needs to be reached, and which options of a source are its own: those of another are refused, for they would do nothing.
import type { Misplaced, Rule } from "../../core/option.ts";

/** The providers this version knows. */
export const PROVIDERS = ["postgres", "neon", "mongodb", "atlas"] as const;
export type ProviderName = (typeof PROVIDERS)[number];

interface Reach {
  readonly needs: readonly string[];
  readonly knows: readonly string[];
  /** How its connection strings begin; the first is what messages show. */
  readonly schemes: readonly string[];
  /** What its checks can ask, beside questions about a table. */
  readonly engine: "postgres" | "mongodb";
  /** What it cannot make of a policy's points. */
  readonly cannotMake: readonly ("branch" | "snapshot")[];
  /** Options of `archive` that mean nothing to its log. */
  readonly archiveWithout: readonly string[];
}

const POSTGRES = { schemes: ["postgres://", "postgresql://"], engine: "postgres" } as const;
const MONGODB = { schemes: ["mongodb://", "mongodb+srv://"], engine: "mongodb" } as const;

export const REACHED_BY: Readonly<Record<ProviderName, Reach>> = {
  postgres: { ...POSTGRES, needs: ["url"], knows: ["archive"], cannotMake: [], archiveWithout: [] },
  neon: {
    ...POSTGRES,
    needs: ["projectId"],
    knows: ["apiKey", "apiHost", "branch", "database", "role", "plan"],
    cannotMake: [],
    archiveWithout: [],
  },
  mongodb: {
    ...MONGODB,
    needs: ["url"],
    knows: ["archive", "databases", "consistency"],
    cannotMake: [],
    archiveWithout: ["slot", "maxBehind"],
  },
  atlas: {
    ...MONGODB,
    needs: ["groupId", "cluster"],
    knows: [
      ...["clientId", "clientSecret", "publicKey", "privateKey", "apiHost", "user", "password"],
      ...["database", "databases", "consistency", "scratchTier"],
    ],
    cannotMake: ["branch"],
    archiveWithout: [],
  },
};

type Written = Readonly<Record<string, unknown>>;

/** The rule over a source's options, by its provider. */
export const providerRule: Rule = (written, keys) => {
  const name = PROVIDERS.find((one) => one === written.provider);
  if (name === undefined) return undefined;
  const { needs, knows } = REACHED_BY[name];
  const missing = needs.find((key) => written[key] === undefined);
  if (missing !== undefined) return `provider ${name} needs ${missing}`;
  const others = Object.values(REACHED_BY).flatMap((one) => [...one.needs, ...one.knows]);
  const foreign = keys.find((key) => others.includes(key) && !needs.includes(key) && !knows.includes(key));
  if (foreign !== undefined) return `provider ${name} has no use for ${foreign}: remove it`;
  return schemeFault(name, written) ?? databaseFault(written) ?? keyFault(written, keys);
};

/** What was written there, where it could be had. */
function textAt(holder: unknown, key: string): string | undefined {
  if (typeof holder !== "object" || holder === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(holder, key)?.value;
  return typeof value === "string" ? value : undefined;
}

function schemeFault(name: ProviderName, written: Written): Misplaced | undefined {
  const { schemes } = REACHED_BY[name];
  const urls = [
    { path: ["url"], url: textAt(written, "url") },
    { path: ["scratch", "url"], url: textAt(written.scratch, "url") },
  ];
  const wrong = urls.find(({ url }) => url !== undefined && !schemes.some((scheme) => url.startsWith(scheme)));
  return wrong && { path: wrong.path, message: `the connection string of provider ${name} starts with ${schemes.join(" or ")}` };
}

function databaseFault(written: Written): Misplaced | undefined {
  const several = Array.isArray(written.databases) && written.databases.length > 0;
  if (!several) return undefined;
  const path = ["databases"];
  if (written.database !== undefined) return { path, message: "database and databases are two answers to one question: keep one" };
  // Not repeated: behind a / that is part of the password stands more of the password.
  const names = /^mongodb(?:\+srv)?:\/\/[^/]*\/[^?]/.test(textAt(written, "url") ?? "");
  return names ? { path, message: "the connection string names a database already: remove one of the two" } : undefined;
}

const PAIRS = [
  ["clientId", "clientSecret"],
  ["publicKey", "privateKey"],
] as const;

/** A key is two halves, and one key is enough. */
function keyFault(written: Written, keys: readonly string[]): string | undefined {
  for (const pair of PAIRS) {
    const [half] = pair.filter((key) => written[key] !== undefined);
    const other = pair.find((key) => written[key] === undefined);
    if (half !== undefined && other !== undefined && keys.includes(half)) return `${half} needs ${other} beside it`;
  }
  const both = PAIRS.every((pair) => pair.some((key) => keys.includes(key)));
  return both ? "a service account (clientId) and an API key (publicKey) are two answers to one question: keep one" : undefined;
}
