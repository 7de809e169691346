// What a restore made: the finding, where it is, and what to do next.
import type * as z from "zod/mini";
import type { MergedTable } from "../../core/merge-plan.ts";
import type { nextAction } from "../../operations/schemas.ts";
import type { restore } from "../../operations/verbs/restore.ts";
import { renderFinding } from "./finding.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

export function renderRestored(restored: z.infer<typeof restore.result>, paint: Paint): string {
  const { place, kept, merged, tables, connection, databases, instructions, next } = restored;
  return [
    renderFinding("restore", restored, paint),
    renderFacts(
      [
        [place?.what ?? "place", place === null ? undefined : named(place)],
        ["kept", kept === null ? undefined : `${named(kept)}: the state before`],
        ["restored", tables?.join("\n")],
        ["merged", merged?.map(mergedInWords).join("\n")],
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

/** `public.users: 3 inserted, 1 updated`. */
export function mergedInWords({ table, inserted, updated, deleted, unchanged, changedSince, changedKeys }: MergedTable): string {
  const counts = [
    [inserted, "inserted"],
    [updated, "updated"],
    [deleted, "deleted"],
    [unchanged, "as wanted already"],
  ] as const;
  const words = counts.flatMap(([number, word]) => (number === 0 ? [] : [`${number} ${word}`]));
  if (changedSince > 0)
    words.push(`${changedSince} left alone, changed since (${changedKeys.join("; ")}${changedSince > changedKeys.length ? "; …" : ""})`);
  return `${table}: ${words.join(", ") || "no row differs"}`;
}

const named = ({ id, name }: { readonly id: string | null; readonly name: string }): string =>
  id === null || id === name ? name : `${name} (${id})`;

/** What the user can do now, one action a line. */
export const renderNext = (actions: readonly z.infer<typeof nextAction>[], paint: Paint): string[] =>
  actions.map(({ commands, text }) => paint.dim(`next: ${commands.length === 0 ? text : `${commands.join(", ")}   (${text})`}`));
