// What makes two databases equal, independent of row order and of the cluster they live in.

export interface TableFingerprint {
  readonly rows: number;
  /** Order-free digest of every row, in the algorithm's own notation; null when the table could not be hashed. */
  readonly digest: string | null;
}

/** An object named with the reason why it is outside of something. */
export interface Omission {
  /** Kind in words: `foreign table`, `materialized view`, `role`. */
  readonly kind: string;
  readonly object: string;
  readonly reason: string;
}

export interface Fingerprint {
  /** Name of the algorithm, part of the value: values of different algorithms are never compared but recomputed. */
  readonly algorithm: string;
  /** What it covers; a fingerprint is compared only within the same scope. */
  readonly scope: { readonly kind: "full" | "data" | "schema" | "tables"; readonly tables?: readonly string[] | undefined };
  /** Content per table, by quoted qualified name where quoting is needed: `public.users`, `"Odd Schema"."T"`. Collections for MongoDB. */
  readonly tables: Readonly<Record<string, TableFingerprint>>;
  /** Sequence states as `last_value,is_called`. */
  readonly sequences: Readonly<Record<string, string>>;
  /** Definitions: object identity (`column public.users.email`, `index public.users_email_key`, `acl table public.users`) → normalised facts or their digest. */
  readonly schema: Readonly<Record<string, string>>;
  /** Large objects: how many, and an order-free digest of ids and bytes. */
  readonly largeObjects?: { readonly count: number; readonly digest: string | null } | undefined;
  /**
   * Content of what belongs to extensions, by kind and name: `table public.settings` → `40 rows -1182…`, `sequence public.s` → `2,true`. A
   * dump leaves it to the extension. Absent: not looked at.
   */
  readonly extensionContent?: Readonly<Record<string, string>> | undefined;
  /** Content that the fingerprint does not cover, by nature: generated columns, materialized views, foreign tables … */
  readonly outside: readonly Omission[];
  /** Content that it should cover and could not. Any entry makes a comparison inconclusive. */
  readonly unhashed: readonly Omission[];
}
