// Resources that a job creates and must not leave behind, and how a clean-up recognises them.

/**
 * A resource that costs money or holds data and must be deleted after the job. It is declared in the journal before it is created and
 * withdrawn after it is deleted. The kind selects the code that undoes it; the locator is sufficient to find it again.
 */
export interface Resource {
  readonly kind: string;
  readonly locator: Readonly<Record<string, string>>;
}

/** The job that creates, or created, a resource. */
export interface Maker {
  readonly jobId: string;
  /**
   * Returns a proof that only this job of this writer can have made. It depends on every part. A resource gets it when it is created, and
   * is deleted only where it is found. The journal only says where to look, because an attacker with write access can put back an old one.
   */
  prove(...parts: readonly string[]): string;
  /** Whether this machine remembers that the job began here and has not ended. An old journal that is put back cannot claim that. */
  readonly unended: boolean;
}

/** The result of undoing a resource. An undo throws with the reason when it finds a resource that it must not touch. */
export type Undone =
  | "removed"
  /** It does not exist. */
  | "absent"
  /** It can be examined only from another machine, account or address. */
  | "elsewhere";

/** The mark of a resource that can carry text: a comment, an annotation, a field. */
export const markOf = (maker: Pick<Maker, "jobId" | "prove">, ...parts: readonly string[]): string =>
  `lifeboat ${maker.jobId} ${maker.prove(...parts)}`;

/** The mark of the role of a load. */
export const loaderMark = (maker: Pick<Maker, "jobId" | "prove">): string => markOf(maker, "loader");
