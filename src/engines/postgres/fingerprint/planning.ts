// Which tables cannot be queried without running code of their owner's.
//
// When PostgreSQL plans a query of a table, it computes the constant parts of the expressions of its indexes, statistics and partition
// key, as the role that asks: an index `where f(1)` runs `f` at once, for any query. For a superuser that is as bad as a
// function that is called by name. (pg_dump is not concerned: COPY of a table is not planned.) What is found here is what is in the
// catalogs when it is looked for; only a role that is not a superuser has nothing to lose.

interface Asker {
  ask(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Functions and operators of roles that are not superusers: a superuser's own could do what they like anyway. */
const FOREIGN = `
  select 'pg_catalog.pg_proc'::pg_catalog.regclass as class, p.oid, r.rolname,
    l.lanname = 'sql' and not p.prosecdef and p.proconfig is null
      and (pg_catalog.to_jsonb(p)->>'prosqlbody' is not null or pg_catalog.strpos(p.prosrc, '.') > 0) as unfolds
  from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner join pg_catalog.pg_language l on l.oid = p.prolang
  where not r.rolsuper
  union all
  select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, r.rolname, true
  from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode join pg_catalog.pg_roles r on r.oid in (o.oprowner, p.proowner)
  where not r.rolsuper`;

/** Expressions of these tables that a planner looks at, each with what it names. */
const QUERY = `
with foreigners as materialized (${FOREIGN}),
places as (
  select i.indrelid as relation, 'pg_catalog.pg_class'::pg_catalog.regclass as class, i.indexrelid as oid,
    'index ' || pg_catalog.quote_ident(c.relname) as what,
    pg_catalog.concat(i.indexprs::pg_catalog.text, ' ', i.indpred::pg_catalog.text) as tree
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid where i.indexprs is not null or i.indpred is not null
  union all
  select s.stxrelid, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 'statistics ' || pg_catalog.quote_ident(s.stxname),
    pg_catalog.to_jsonb(s)->>'stxexprs'
  from pg_catalog.pg_statistic_ext s where pg_catalog.to_jsonb(s)->>'stxexprs' is not null
  union all
  select p.partrelid, 'pg_catalog.pg_class'::pg_catalog.regclass, p.partrelid, 'partition key', p.partexprs::pg_catalog.text
  from pg_catalog.pg_partitioned_table p where p.partexprs is not null
)
select p.relation::bigint::pg_catalog.text as relation, p.relation::pg_catalog.regclass::pg_catalog.text as name, p.what, p.tree,
  pg_catalog.json_agg(pg_catalog.json_build_object('oid', f.oid::bigint, 'unfolds', f.unfolds)) as named,
  pg_catalog.min(f.rolname::pg_catalog.text) as role
from places p join pg_catalog.pg_depend d on d.classid = p.class and d.objid = p.oid
join foreigners f on f.class = d.refclassid and f.oid = d.refobjid
where $1::bigint[] is null or p.relation = any ($1::bigint[]::pg_catalog.oid[])
group by p.relation, p.what, p.tree`;

interface Named {
  readonly oid: number;
  /** The planner may put its body in its place (an SQL function), or call it for an estimate (an operator). */
  readonly unfolds: boolean;
}

export interface Refused {
  readonly oid: number;
  readonly name: string;
  readonly reason: string;
}

/** Tables that are not to be queried in this session, of those given or of all; none for a session of a role that is not a superuser. */
export async function tablesThatRunCode(asker: Asker, tables: readonly number[] | null): Promise<Refused[]> {
  // The session's own user, not a role that was set: what is run can set it back.
  const [session] = await asker.ask("select rolsuper as superuser from pg_catalog.pg_roles where rolname = session_user");
  if (session?.superuser !== true) return [];
  const rows = await asker.ask(QUERY, [tables]);
  const found = rows.filter(({ tree, named }) => runsCode(String(tree), named as Named[]));
  return found.map(({ relation, name, what, role }) => ({
    oid: Number(relation),
    name: String(name),
    reason: `its ${what} would run code of ${role}'s with a superuser's rights: connect as a role that is none (docs/postgres-role.md)`,
  }));
}

/** Whether planning may run one of the functions: it does unless every call takes a column, which has no value then. */
export function runsCode(tree: string, named: readonly Named[]): boolean {
  const nodes = parseNodes(tree);
  const known = new Map(named.map((each) => [String(each.oid), each]));
  const called = new Set<string>();
  let runs = named.some(({ unfolds }) => unfolds);
  const visit = (node: Node): void => {
    const id = node.type === "FUNCEXPR" ? node.words.funcid : undefined;
    if (id !== undefined && known.has(id)) {
      called.add(id);
      if (!node.nodes.some((argument) => neverConstant(argument, known))) runs = true;
    }
    for (const child of node.nodes) visit(child);
  };
  for (const node of nodes) visit(node);
  // What is named in another way than by a call is not understood here.
  return runs || known.size > called.size;
}

/** A column, or what the server's own functions make of one; anything else might be computed without looking at it (`coalesce(1, id)`). */
function neverConstant(node: Node, known: ReadonlyMap<string, Named>): boolean {
  if (node.type === "VAR") return true;
  if (node.type === "RELABELTYPE" || node.type === "COLLATEEXPR") return node.nodes.some((child) => neverConstant(child, known));
  if (node.type !== "FUNCEXPR" && node.type !== "OPEXPR") return false;
  const id = Number(node.words.funcid ?? node.words.opno);
  if (!(id < FIRST_USER_OID)) return false;
  // A strict function of a null is null, with any other arguments.
  const isPlain = (child: Node): boolean => neverConstant(child, known) || (child.type === "CONST" && child.words.constisnull === "false");
  return node.nodes.every(isPlain) && node.nodes.some((child) => neverConstant(child, known));
}

/** What initdb makes has lower ones. */
export const FIRST_USER_OID = 16_384;

interface Node {
  readonly type: string;
  /** First word of each field. */
  readonly words: Record<string, string>;
  /** Nodes in it, those of its lists included. */
  readonly nodes: Node[];
}

/** An expression as the catalogs have it: `{FUNCEXPR :funcid 16397 :args ({CONST …}) :location 5}`. A backslash takes the next character as it is. */
function parseNodes(text: string): Node[] {
  const top: Node = { type: "", words: {}, nodes: [] };
  const open: Node[] = [top];
  let field: string | undefined;
  for (const [token] of text.matchAll(/[{}()]|(?:\\[\s\S]|[^\s{}()\\])+/g)) {
    const present = open.at(-1) ?? top;
    if (token === "{") {
      const node: Node = { type: "", words: {}, nodes: [] };
      present.nodes.push(node);
      open.push(node);
      field = "";
    } else if (token === "}") {
      open.pop();
      field = undefined;
    } else if (field === "") {
      (present as { type: string }).type = token;
      field = undefined;
    } else if (token.startsWith(":")) field = token.slice(1);
    else if (field !== undefined && token !== "(" && token !== ")") present.words[field] ??= token;
  }
  return top.nodes;
}
