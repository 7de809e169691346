// Something a job makes that must not be left behind, and by what a clean-up recognises it.

/**
 * Something that costs money or holds data and must be gone after the job: written in the journal before it is made,
 * withdrawn after it is gone. The kind chooses who can undo it; the locator is all that is needed to find it again.
 */
export interface Resource {
  readonly kind: string;
  readonly locator: Readonly<Record<string, string>>;
}

/** The job that makes a resource, or that made it. */
export interface Maker {
  readonly jobId: string;
  /**
   * What only this job of this writer can have put in a place; it depends on every part. A resource is given it when it is made, and
   * removed only where it is found: a journal says where to look, and an old one can be put back by who can write to the storage.
   */
  prove(...parts: readonly string[]): string;
  /** This machine's own memory says that the job began here and has not ended: a journal that is put back later cannot claim that. */
  readonly unended: boolean;
}

/** What became of a resource that a clean-up looked for. What is found and must not be touched throws, and says why. */
export type Undone =
  | "removed"
  /** Nothing of it is there. */
  | "absent"
  /** Only another machine, account or address can tell. */
  | "elsewhere";

/** The mark that a resource carries where text can be put: a comment, an annotation, a field. */
export const markOf = (maker: Pick<Maker, "jobId" | "prove">, ...parts: readonly string[]): string =>
  `lifeboat ${maker.jobId} ${maker.prove(...parts)}`;

/** What the role of a load carries. */
export const loaderMark = (maker: Pick<Maker, "jobId" | "prove">): string => markOf(maker, "loader");
