// The connection string that an application reads, pointed at another database. It keeps what is the application's own: its user, its
// password, its parameters, its pooler.

/** A connection string in its parts. Addresses of several hosts are not URLs, so `URL` cannot read them. */
interface Parts {
  readonly scheme: string;
  readonly login: string | undefined;
  readonly hosts: string;
  readonly path: string;
  readonly query: string;
}

const ADDRESS = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^@/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(\?[^#]*)?$/i;

function partsOf(address: string): Parts | undefined {
  const [, scheme, login, hosts = "", path = "", query = ""] = ADDRESS.exec(address) ?? [];
  return scheme === undefined ? undefined : { scheme, login, hosts, path, query };
}

/** The address without what is usually left out. */
const plain = (hosts: string): string => hosts.toLowerCase().replaceAll(":5432", "").replaceAll(":27017", "");

const userOf = ({ login = "" }: Parts): string => login.split(":")[0] ?? "";

/**
 * Returns the application's address with the database `to` in place of `from`, the source's own. Undefined: the application's address does
 * not name the source, or one of them cannot be read. `null`: it names `to` already.
 */
export function pointedAt(present: string, from: string, to: string): string | undefined | null {
  const [now, own, next] = [partsOf(present), partsOf(from), partsOf(to)];
  if (now === undefined || own === undefined || next === undefined) return undefined;
  const isThere = plain(own.hosts) === plain(next.hosts) || hostsFor(now.hosts, next.hosts, own.hosts) !== undefined;
  if (isThere && now.path === next.path && (own.path !== next.path || plain(own.hosts) !== plain(next.hosts))) return null;
  const hosts = hostsFor(now.hosts, own.hosts, next.hosts);
  // After an earlier cut-over it names another database of the same server.
  const isOnServer = plain(now.hosts) === plain(own.hosts) && plain(own.hosts) === plain(next.hosts);
  if (hosts === undefined || (now.path !== own.path && !isOnServer)) return undefined;
  const login = userOf(now) === userOf(next) ? next.login : now.login;
  return `${now.scheme}${login === undefined ? "" : `${login}@`}${hosts}${next.path}${now.query}`;
}

/**
 * The hosts to write: those of `to` where the application names those of `from`, and the same suffix of the first name, such as that of a
 * pooler, where it has one.
 */
function hostsFor(now: string, from: string, to: string): string | undefined {
  // On one server the database's name decides; the application may know the server by another name.
  if (plain(from) === plain(to)) return now;
  if (plain(now) === plain(from)) return to;
  const [label = "", ...rest] = now.split(".");
  const [ownLabel = "", ...ownRest] = from.split(".");
  const [nextLabel = "", ...nextRest] = to.split(".");
  const suffix = label.startsWith(`${ownLabel}-`) ? label.slice(ownLabel.length) : undefined;
  if (suffix === undefined || rest.length === 0 || plain(rest.join(".")) !== plain(ownRest.join("."))) return undefined;
  return [`${nextLabel}${suffix}`, ...nextRest].join(".");
}
