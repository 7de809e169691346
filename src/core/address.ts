// Addresses of databases in messages: they hold passwords, and a password that is not percent-encoded ends in the wrong part of one.

/** Parameters that may hold an @ of their own. */
const OF_LOGINS = /^(?:user|password|sslpassword|options|application_?name|authMechanismProperties|proxyUsername|proxyPassword)=/i;

/**
 * Whether an @ stands behind the servers of an address, where nothing of a login belongs: a /, ? or @ of the password was not written as %XX,
 * and the part that follows it would be read, and shown, as a database or a parameter.
 */
export const hasUnencodedLogin = (path: string, query: string): boolean =>
  path.includes("@") || query.split(/[&;]/).some((pair) => pair.includes("@") && !OF_LOGINS.test(pair));

export const UNENCODED_LOGIN = "it holds an @, / or ? that is part of a name or password: write them as %40, %2F and %3F";

/** What was given where a name was expected, for a message: what may be a mistyped address is not repeated. */
export const asGiven = (text: string): string => (/@|:\/|\/\//.test(text) ? "what looks like an address" : JSON.stringify(text));
