// What a restore made, for people and as JSON: the finding, where it is, and what to do next.
import { shown } from "../../core/visible.ts";
import type { Source } from "../../operations/context.ts";
import type { Restored } from "../../operations/recovery/restore.ts";
import { connectionJson, type HandedOver } from "../hand-over.ts";
import { findingJson, renderFinding } from "./checks.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

const placeOf = (source: Source): string => (source.managed ? source.provider.history?.place : undefined) ?? "branch";

export function restoredJson(restored: Restored, source: Source, handed: HandedOver | undefined): object {
  const { branch, kept, tables, next, warnings, connection } = restored;
  return {
    ...findingJson(restored),
    ...(source.managed ? { branch: branch ?? null, [placeOf(source)]: branch ?? null } : {}),
    kept: kept ?? null,
    ...(tables && { restored: tables }),
    ...(next && { next }),
    warnings,
    ...(connection && handed && connectionJson(connection, handed)),
  };
}

export function renderRestored(restored: Restored, source: Source, handed: HandedOver | undefined, storage: string, paint: Paint): string {
  const { branch, kept, tables, next } = shown({
    branch: restored.branch,
    kept: restored.kept,
    tables: restored.tables,
    next: restored.next ?? [],
  });
  const advice = adviceOf(restored, source);
  return [
    renderFinding(restored, storage, paint),
    renderFacts(
      [
        [placeOf(source), branch && `${branch.name} (${branch.id})`],
        ["kept", kept && `${kept.name === kept.id ? kept.name : `${kept.name} (${kept.id})`}: the state before`],
        ["restored", tables?.join("\n")],
        ["connection", handed?.url],
        ["written to", handed?.file],
      ],
      paint,
    ),
    ...next,
    ...(advice === undefined ? [] : [paint.dim(`next: ${advice}`)]),
  ].join("\n");
}

function adviceOf({ branch, kept, evidence }: Restored, source: Source): string | undefined {
  if (branch === undefined) {
    const then = source.managed ? "is removed 7 days later, not before" : "is dropped then";
    return kept && `lifeboat accept ${evidence.id}   (when it is good; ${kept.name} ${then})`;
  }
  if (source.provider.history?.promote !== undefined)
    return `lifeboat promote ${branch.name} --yes ${source.name}   (to make it production)`;
  return `point the application at ${branch.name}, or set production itself back: lifeboat restore ${source.name} --to … --in-place --yes ${source.name}`;
}
