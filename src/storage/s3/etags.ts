// Etags: quoted on the wire, bare in our words.

export function bareEtag(etag: string | undefined): string {
  return (etag ?? "").replace(/^"|"$/g, "");
}

export function quotedEtag(etag: string): string {
  return `"${etag}"`;
}
