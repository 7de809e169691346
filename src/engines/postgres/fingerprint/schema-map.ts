import type { Asker } from "./snapshot.ts";
export async function schemaMap(_a: Asker, _o: readonly number[] | null): Promise<Record<string, string>> { return {}; }
