// Something a job makes that must not be left behind.

/**
 * Something that costs money or holds data and must be gone after the job: written in the journal before it is made,
 * struck out after it is gone. The kind chooses who can undo it; the locator is all that is needed to find it again.
 */
export interface Resource {
  readonly kind: string;
  readonly locator: Readonly<Record<string, string>>;
}
