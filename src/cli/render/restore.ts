// What a restore made: the finding, where it is, and what to do next.
import type * as z from "zod/mini";
import type { nextAction } from "../../operations/schemas.ts";
import type { restore } from "../../operations/verbs/restore.ts";
import { renderFinding } from "./finding.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

export function renderRestored(restored: z.infer<typeof restore.result>, paint: Paint): string {
  const { place, kept, tables, connection, databases, instructions, next } = restored;
  return [
    renderFinding("restore", restored, paint),
    renderFacts(
      [
        [place?.what ?? "place", place === null ? undefined : named(place)],
        ["kept", kept === null ? undefined : `${named(kept)}: the state before`],
        ["restored", tables?.join("\n")],
        ["connection", connection?.url],
        ["written to", connection?.file ?? undefined],
        ["connect with", databases?.map(({ url }) => `psql '${url}'`).join("\n")],
      ],
      paint,
    ),
    ...instructions,
    ...renderNext(next, paint),
  ].join("\n");
}

const named = ({ id, name }: { readonly id: string | null; readonly name: string }): string =>
  id === null || id === name ? name : `${name} (${id})`;

/** What the user can do now, one action a line. */
export const renderNext = (actions: readonly z.infer<typeof nextAction>[], paint: Paint): string[] =>
  actions.map(({ commands, text }) => paint.dim(`next: ${commands.length === 0 ? text : `${commands.join(", ")}   (${text})`}`));
