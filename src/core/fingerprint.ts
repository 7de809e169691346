// Decides whether two databases hold equal data, independent of row order and of the cluster.

export interface TableFingerprint {
  readonly rows: number;
  /** The order-free digest of all rows, in the algorithm's notation. Null when the table could not be hashed. */
  readonly digest: string | null;
}

/** An object that is left out, with the reason. */
export interface Omission {
  /** The kind in words: `foreign table`, `materialized view`, `role`. */
  readonly kind: string;
  readonly object: string;
  readonly reason: string;
}

export interface Fingerprint {
  /** The name of the algorithm, part of the value. Values of different algorithms are never compared but recomputed. */
  readonly algorithm: string;
  /** What it covers. Only fingerprints of the same scope are compared. */
  readonly scope: {
    readonly kind: "full" | "data" | "schema" | "tables";
    readonly tables?: readonly string[] | undefined;
    /** Of chosen tables: with the definitions of routines, types and the like that they need. Absent: without. */
    readonly along?: boolean | undefined;
  };
  /** Content by table, with its qualified name quoted where required: `public.users`, `"Odd Schema"."T"`. MongoDB: by collection. */
  readonly tables: Readonly<Record<string, TableFingerprint>>;
  /** Sequence states as `last_value,is_called`. */
  readonly sequences: Readonly<Record<string, string>>;
  /** Definitions: object identity (`column public.users.email`, `index public.users_email_key`, `acl table public.users`) → normalised facts or their digest. */
  readonly schema: Readonly<Record<string, string>>;
  /** Large objects: their number, and an order-free digest of ids and bytes. */
  readonly largeObjects?: { readonly count: number; readonly digest: string | null } | undefined;
  /**
   * Content of objects that belong to extensions, by kind and name: `table public.settings` → `40 rows -1182…`, `sequence public.s` →
   * `2,true`. A dump leaves it to the extension. Absent: not examined.
   */
  readonly extensionContent?: Readonly<Record<string, string>> | undefined;
  /** Content that a fingerprint never covers, such as generated columns, materialized views and foreign tables. */
  readonly outside: readonly Omission[];
  /** Content that it should cover but could not read. Any entry makes a comparison inconclusive. */
  readonly unhashed: readonly Omission[];
}
