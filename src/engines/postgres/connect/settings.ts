// The settings that all our sessions begin with, whether a client's or a program's. They travel in the startup packet, where
// they come before the first statement and before what `alter database … set` and `alter role … set` say: a later SET would leave a
// first statement to settings that the owner of the source chose.
//
// Values hold no blanks: proxies split and join `options` at blanks, and not all of them keep a backslash.

/**
 * What decides which object a name means, which rows are seen and as which role, and whether a statement may end. Nothing overrides these, the address included.
 *
 * `pg_catalog,pg_temp` instead of nothing at all: an empty path means "pg_temp, then pg_catalog" for tables and types. Naming both
 * puts pg_catalog first, so that not even an object that a function made in our own session can replace one of the system's.
 * PostgreSQL's programs set an empty path by themselves on top of it, which hides the same things.
 */
export const PINNED: Readonly<Record<string, string>> = {
  search_path: "pg_catalog,pg_temp",
  // A query that a policy would shorten is an error, so that nothing is ever short in silence.
  row_security: "off",
  // `'\'` must mean a backslash in every literal that is written by us.
  standard_conforming_strings: "on",
  transform_null_equals: "off",
  // Work is bounded by the caller's signal, and each of our writes is meant: limits that were set for an application's sessions are not ours.
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  default_transaction_read_only: "off",
  // Any owner of a database may name a library here that every session of it then loads.
  local_preload_libraries: "",
};

/** The same, but what the address says wins: `alter database … set role` would otherwise have us read as its owner. */
const DEFAULTS: Readonly<Record<string, string>> = { role: "none" };

/** What decides how a value is printed. Not for programs: a materialized view that a restore fills takes the time zone of its server. */
const PRINTED: Readonly<Record<string, string>> = {
  TimeZone: "UTC",
  DateStyle: "ISO,YMD",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  lc_monetary: "C",
  xmlbinary: "base64",
  quote_all_identifiers: "off",
};

/** On, it would have the planner compute the constant parts of the CHECK constraints of each table that is read. */
const PLANNED: Readonly<Record<string, string>> = { constraint_exclusion: "off" };

/** The locale of `lc_messages` in which every server speaks English. Only a superuser may set it, so it is not among those above. */
export const ENGLISH = "C";

/** `options` of a program's session. `address`: what the address says in its own `options`. */
export function programOptions(address: string | undefined, choosesLanguage: boolean): string {
  const language = choosesLanguage ? { lc_messages: ENGLISH } : {};
  return [...switches(DEFAULTS), ...splitOptions(address ?? ""), ...switches({ ...PINNED, ...language })].join(" ");
}

/** The same for a session of our own client. */
export function clientOptions(address: string | undefined): string {
  return [...switches(DEFAULTS), ...splitOptions(address ?? ""), ...switches(PINNED), ...switches(PRINTED), ...switches(PLANNED)].join(" ");
}

const switches = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);

/** Words as the server splits them (at blanks; a backslash takes the next character as it is), each closed in itself. */
function splitOptions(text: string): string[] {
  return [...text.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) => word);
}
