// SASLprep (RFC 4013) as far as a password needs it for both sides to agree: mapping and normalisation.
// Prohibited and bidirectional characters are not refused: a client refuses them before it sends anything.

/** RFC 3454, table C.1.2: spaces that become the plain one. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454, table B.1: characters that become nothing. */
// biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points by the RFC's table, joiners among them
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;

export function saslprep(text: string): string {
  return text.replace(SPACES, " ").replace(NOTHING, "").normalize("NFKC");
}
