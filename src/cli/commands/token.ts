// lifeboat token create, token list, token revoke
import { formatInstant } from "../../core/duration.ts";
import { listOf } from "../../core/option.ts";
import { durationInSeconds, oneOf, text } from "../../core/option-types.ts";
import { ROLE_NAMES } from "../../core/people.ts";
import { tokenCreate, tokenList, tokenRevoke } from "../../operations/verbs/token.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

const at = (instant: string): string => formatInstant(new Date(instant));

export const tokenCreateCommand = defineCommand({
  description:
    "Makes a token for the API of the service on this machine and prints it once. Only its digest is stored, in the state directory. `viewer` may look; `operator` may also back up; `restorer` may also restore; `approver` may look and approve.",
  arguments: {},
  options: {
    role: { type: listOf(oneOf(ROLE_NAMES)), required: true, value: "ROLE", help: "What it allows." },
    name: { type: text, required: true, value: "NAME", help: "What lists and the audit log call it." },
    person: { type: text, value: "PERSON", help: "The person who holds it. Default: a program holds it." },
    expires: { type: durationInSeconds, value: "DURATION", help: "How long it is accepted, at most 730d. Default: 90d." },
  },
  json: true,
  examples: ["lifeboat token create --role restorer --name ci --expires 90d"],
  run: ({ options: { role, expires, name, person }, ...call }) =>
    perform(call, tokenCreate, { name, person, roles: role, validSeconds: expires }, ({ token, id, roles, expiresAt }) =>
      [`token ${name} (${id}) for ${roles.join(", ")} expires ${at(expiresAt)}`, "It is shown only now:", token].join("\n"),
    ),
});

export const tokenListCommand = defineCommand({
  description: "The tokens of the service on this machine, with their last use. The tokens themselves are not stored.",
  arguments: {},
  options: {},
  json: true,
  run: (call) =>
    perform(call, tokenList, {}, ({ tokens }) => {
      if (tokens.length === 0) return "no tokens";
      const rows = tokens.map(({ id, name, roles, person, validity, expiresAt, lastUsedAt, lastUsedFrom }) => [
        id,
        name,
        person ?? "",
        roles.join(", "),
        validity,
        at(expiresAt),
        lastUsedAt === null ? "never" : `${at(lastUsedAt)}${lastUsedFrom === null ? "" : ` from ${lastUsedFrom}`}`,
      ]);
      const columns = ["id", "name", "person", "roles", "state", "expires", "last use"].map((title) => ({ title }));
      return renderTable(columns, rows, { paint: call.paint });
    }),
});

export const tokenRevokeCommand = defineCommand({
  description: "Ends a token at once, and every session that was begun with it.",
  arguments: { token: { type: text, required: true, help: "Its name or its id." } },
  options: {},
  json: true,
  run: (call) => perform(call, tokenRevoke, call.args, ({ name, id }) => `token ${name} (${id}) is revoked`),
});
