// lifeboat token create, token list, token revoke: who may ask the service over the network, and for what.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { ROLE_NAMES } from "../../core/people.ts";
import { thisOwner } from "../../repository/owner.ts";
import type { People, TokenRecord } from "../../repository/people.ts";
import type { Context } from "../context.ts";
import { type OperationContext, operation } from "../operation.ts";
import { about, instant, iso, named, orNull } from "../schemas.ts";

const DAY_SECONDS = 86_400;
const DEFAULT_SECONDS = 90 * DAY_SECONDS;
const MOST_SECONDS = 730 * DAY_SECONDS;

const roles = about(z.readonly(z.array(z.enum(ROLE_NAMES))), "What it allows: docs/api.md lists the access of each role.");
const tokenId = about(z.string(), "Id of the token. It is a part of the token, and no secret.");

const tokenShape = z.strictObject({
  id: tokenId,
  name: z.string(),
  roles,
  person: about(orNull(z.string()), "The person who holds it. Null: a program."),
  validity: about(z.enum(["valid", "expired", "revoked"]), "Only a valid one is accepted."),
  createdAt: instant,
  createdBy: about(z.string(), "User and host."),
  expiresAt: about(instant, "When it stops being accepted."),
  revokedAt: orNull(instant),
  lastUsedAt: about(orNull(instant), "To the minute."),
  lastUsedFrom: about(orNull(z.string()), "Network address of the caller."),
});
const token = named("token", "A token of the API, without its secret.", tokenShape);

type Token = z.infer<typeof tokenShape>;

function tokenJson(record: TokenRecord, now: Date): Token {
  const { id, name, roles: given, person, createdAt, createdBy, expiresAt, revokedAt, lastUsedAt, lastUsedFrom } = record;
  return {
    id,
    name,
    roles: given,
    person: person ?? null,
    validity: revokedAt === undefined ? (expiresAt <= now ? "expired" : "valid") : "revoked",
    createdAt: createdAt.toISOString(),
    createdBy,
    expiresAt: expiresAt.toISOString(),
    revokedAt: iso(revokedAt),
    lastUsedAt: iso(lastUsedAt),
    lastUsedFrom: lastUsedFrom ?? null,
  };
}

function peopleOf({ people }: Context): People {
  if (people === undefined) throw new LifeboatError("CAPABILITY_MISSING", "this process has no place for tokens");
  return people;
}

async function recordToken(
  { audit, actor }: OperationContext,
  verb: string,
  { id, name, roles: given, person }: TokenRecord,
): Promise<void> {
  const holder = person === undefined ? "" : ` of ${person}`;
  await audit?.record({ event: "token", operation: verb, actor, reason: `${name} (${id})${holder}: ${given.join(", ")}` });
}

export const tokenCreate = operation({
  name: "token create",
  access: "approve",
  local: "all",
  request: z.strictObject({
    name: about(z.string().check(z.minLength(1), z.maxLength(100)), "What lists and the audit log call it."),
    roles: about(z.array(z.enum(ROLE_NAMES)).check(z.minLength(1)), "What it allows."),
    person: z.optional(
      about(z.string().check(z.minLength(1), z.maxLength(200)), "The person who holds it. A person cannot approve their own restores."),
    ),
    validSeconds: z.optional(
      about(
        z.number().check(z.int(), z.minimum(60), z.maximum(MOST_SECONDS)),
        "How long it is accepted. Default: 90 days; at most 2 years.",
      ),
    ),
  }),
  result: z.strictObject({
    ...tokenShape.shape,
    token: about(z.string(), "The token itself. It is not stored, and shown only now."),
  }),
  async run(context, { name, roles: given, person, validSeconds = DEFAULT_SECONDS }) {
    const people = peopleOf(context);
    const now = context.clock.now();
    if (people.tokens().some((one) => one.name === name && tokenJson(one, now).validity === "valid"))
      throw new LifeboatError("USAGE", `there is a valid token named ${name}`, {
        hint: `run \`lifeboat token revoke ${name}\`, or choose another name`,
      });
    const { user, host } = thisOwner();
    const { text, record } = people.createToken(
      {
        name,
        roles: ROLE_NAMES.filter((role) => given.includes(role)),
        person,
        createdAt: now,
        createdBy: context.actor?.name ?? `${user}@${host}`,
        expiresAt: new Date(now.getTime() + validSeconds * 1000),
      },
      (count) => context.clock.randomBytes(count),
    );
    await recordToken(context, "token create", record);
    return { ...tokenJson(record, now), token: text };
  },
});

export const tokenList = operation({
  name: "token list",
  access: "approve",
  local: "all",
  storedOnly: () => true,
  request: z.strictObject({}),
  result: z.strictObject({ tokens: about(z.array(token), "Newest first.") }),
  run: async (context) => ({
    tokens: peopleOf(context)
      .tokens()
      .map((one) => tokenJson(one, context.clock.now())),
  }),
});

export const tokenRevoke = operation({
  name: "token revoke",
  access: "approve",
  local: "all",
  request: z.strictObject({ token: about(z.string(), "Its name or its id.") }),
  result: token,
  async run(context, { token: wanted }) {
    const people = peopleOf(context);
    const now = context.clock.now();
    const all = people.tokens();
    const found = all.find(({ id }) => id === wanted) ?? all.find((one) => one.name === wanted && tokenJson(one, now).validity === "valid");
    if (found === undefined) throw new LifeboatError("TOKEN_UNKNOWN", `no valid token is called "${wanted}"`);
    people.revokeToken(found.id, now);
    await recordToken(context, "token revoke", found);
    return tokenJson({ ...found, revokedAt: found.revokedAt ?? now }, now);
  },
});
