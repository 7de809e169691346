// Connection URLs in messages. They hold passwords, and a password that is not percent-encoded spills into another part of the URL.

/** Query parameters whose values may contain an @. */
const OF_LOGINS = /^(?:user|password|sslpassword|options|application_?name|authMechanismProperties|proxyUsername|proxyPassword)=/i;

/**
 * Tells whether an @ follows the host part of a URL. It means that a /, ? or @ of the password was not percent-encoded, so the rest of
 * the password would be parsed, and shown, as a database name or parameter.
 */
export const hasUnencodedLogin = (path: string, query: string): boolean =>
  path.includes("@") || query.split(/[&;]/).some((pair) => pair.includes("@") && !OF_LOGINS.test(pair));

export const UNENCODED_LOGIN = "it holds an @, / or ? that is part of a name or password: write them as %40, %2F and %3F";

/** Quotes what was given where a name was expected. Text that may be a mistyped URL is not repeated, because it may hold a password. */
export const asGiven = (text: string): string => (/@|:\/|\/\//.test(text) ? "what looks like an address" : JSON.stringify(text));

const STARS = "***";

/** The text with the password of every address in it replaced by stars. */
export const withoutPassword = (text: string): string =>
  text.replace(/(:\/\/[^:@/\s"']*:)[^\s"']+(?=@)/g, `$1${STARS}`).replace(/([?&](?:password|sslpassword)=)[^&\s"']+/gi, `$1${STARS}`);
