// The privileges of a source's role, compared with what the role is used for.

/** The configured duties of a source's role: `backup` reads a database, `archive` copies its cluster and receives its log. */
export type Duty = "backup" | "archive";

/** The privileges of a source's role, compared with its duties. */
export interface Rights {
  readonly role: string;
  /** Privileges that a duty requires and the role lacks, as the end of a sentence, with the statement that grants them. */
  readonly missing: readonly { readonly what: string; readonly grant: string }[];
  /** Privileges beyond all duties, as sentences. Never a reason to fail. */
  readonly excess: readonly string[];
  /** The privilege for a restore on the source's own server that the role lacks. Never a reason to fail. */
  readonly without?: Rights["missing"][number] | undefined;
}
