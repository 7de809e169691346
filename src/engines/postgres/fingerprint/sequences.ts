// The present states of sequences. They belong to no snapshot: a dump's expected values come from its archive.
import type { Omission } from "../../../core/fingerprint.ts";
import { isAboutOneObject, reasonOf } from "./failure.ts";
import type { Relation } from "./relations.ts";
import type { Asker } from "./snapshot.ts";

const SEQUENCES_PER_STATEMENT = 200;

/** `last_value,is_called` by qualified name. */
export async function readSequences(
  asker: Asker,
  sequences: readonly Relation[],
): Promise<{ readonly states: Record<string, string>; readonly unhashed: Omission[] }> {
  const states: Record<string, string> = {};
  const unhashed: Omission[] = [];
  const read = async (chunk: readonly Relation[]): Promise<void> => {
    const selects = chunk.map(
      (sequence, i) => `select ${i} as i, last_value::pg_catalog.text || ',' || is_called::pg_catalog.text as state from ${sequence.name}`,
    );
    try {
      for (const row of await asker.ask(selects.join("\nunion all "))) {
        const sequence = chunk[Number(row.i)];
        if (sequence) states[sequence.name] = String(row.state);
      }
    } catch (error) {
      if (!isAboutOneObject(error)) throw error;
      const [only] = chunk;
      if (chunk.length === 1 && only) unhashed.push({ kind: "sequence", object: only.name, reason: reasonOf(error) });
      else for (const sequence of chunk) await read([sequence]);
    }
  };
  for (let i = 0; i < sequences.length; i += SEQUENCES_PER_STATEMENT) await read(sequences.slice(i, i + SEQUENCES_PER_STATEMENT));
  return { states, unhashed };
}
