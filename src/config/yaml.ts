// YAML text → nodes that know their places. A configuration is one document of maps, lists and scalars; an alias is the node it names.
import {
  boolCoreTag,
  type DocumentEvent,
  EVENT_ID,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  type MappingEvent,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
  YAMLException,
} from "js-yaml";

export type YamlNode = YamlMap | YamlList | YamlScalar;

interface Placed {
  /** Offset in the text. Undefined: nothing is written there. */
  readonly at: number | undefined;
}

export interface YamlMap extends Placed {
  readonly kind: "map";
  /** As they are written: a key may be a list, or be there twice. */
  readonly pairs: readonly (readonly [key: YamlNode, value: YamlNode])[];
}

export interface YamlList extends Placed {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}

export interface YamlScalar extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}

/** The text is not YAML, or more of YAML than a configuration has. The message never repeats the text: it may hold a secret. */
export class NotYaml extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** What a plain scalar means, in the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema). */
const PLAIN = [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag];

const ABSENT = -1;

const TAG = "a tag (!…) has no meaning here: a text that begins with ! needs quotes";

/** What usually is the cause of a fault, by the parser's reason and the text behind and ahead of the place. The first that fits is told. */
const CAUSES: readonly { readonly reason: RegExp; readonly behind?: RegExp; readonly ahead?: RegExp; readonly message: string }[] = [
  { reason: /^tab characters/, message: "tabs cannot indent: use spaces" },
  { reason: /\btag\b/, message: TAG },
  { reason: /maxDepth/, message: "too many values, or one that contains itself" },
  { reason: /name of an (alias|anchor)/, message: "a text that begins with * or & needs quotes" },
  {
    reason: /^bad indentation|^missed comma/,
    behind: /["']\s*$/,
    message: 'a text ends with its quote: double a quote inside \'…\', or write \\" inside "…"',
  },
  { reason: /^bad indentation|^missed comma/, ahead: /^[@`%]/, message: "a text that begins with @, ` or % needs quotes" },
  { reason: /^bad indentation/, ahead: /^-\s/, message: "a list begins on a line of its own, or is written [a, b]" },
  {
    reason: /^bad indentation|^missed comma/,
    ahead: /^:/,
    message: 'a text with ": " in it needs quotes, and lines of one level have one indentation',
  },
  { reason: /^end of the stream/, ahead: /^:/, message: "a key before this one needs a space behind its colon" },
  { reason: /^bad indentation/, message: "this line is indented otherwise than the others of its level" },
  { reason: /^missed comma/, message: "a comma or a closing bracket is missing before this place" },
  { reason: /^end of the stream/, message: "this line is not indented like those above" },
  { reason: /^deficient indentation/, message: "a bracket or a quote before this place is not closed, or its content is not indented" },
];

function messageOf(reason: string, text: string, at: number): string {
  const fits = ({ reason: of, behind, ahead }: (typeof CAUSES)[number]): boolean =>
    of.test(reason) && (behind?.test(text.slice(0, at)) ?? true) && (ahead?.test(text.slice(at)) ?? true);
  return CAUSES.find(fits)?.message ?? reason;
}

/** Reads one document. Undefined: the text has no value. Throws NotYaml. */
export function parseYaml(text: string): YamlNode | undefined {
  try {
    return readDocument(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = error.mark?.position ?? 0;
    throw new NotYaml(at, `this is not YAML: ${messageOf(error.reason, text, at)}`);
  }
}

/** A map or a list that is being read. */
interface Open {
  readonly at: number;
  readonly take: (node: YamlNode) => void;
}

function readDocument(text: string): YamlNode | undefined {
  const anchors = new Map<string, YamlNode>();
  const open: Open[] = [];
  let root: YamlNode | undefined;
  let documents = 0;
  let last = 0;
  const take = (node: YamlNode): void => {
    last = node.at ?? last;
    const holder = open.at(-1);
    if (holder === undefined) throw new TypeError("a node outside of a document");
    holder.take(node);
  };
  const begin = (event: MappingEvent | SequenceEvent, node: YamlMap | YamlList, add: Open["take"]): void => {
    if (event.anchorStart !== ABSENT) anchors.set(text.slice(event.anchorStart, event.anchorEnd), node);
    refuseTag(text, event, event.type === EVENT_ID.MAPPING ? "!!map" : "!!seq");
    take(node);
    open.push({ at: event.start, take: add });
  };
  for (const event of parseEvents(text, {})) {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        documents += 1;
        if (documents > 1) throw new NotYaml(beginOf(text, event, last), "a second document starts here: one file holds one configuration");
        open.push({
          at: 0,
          take: (node) => {
            root = node;
          },
        });
        break;
      case EVENT_ID.MAPPING: {
        const pairs: [YamlNode, YamlNode][] = [];
        let key: YamlNode | undefined;
        begin(event, { kind: "map", at: event.start, pairs }, (node) => {
          if (key === undefined) key = node;
          else {
            pairs.push([key, node]);
            key = undefined;
          }
        });
        break;
      }
      case EVENT_ID.SEQUENCE: {
        const items: YamlNode[] = [];
        begin(event, { kind: "list", at: event.start, items }, (node) => void items.push(node));
        break;
      }
      case EVENT_ID.SCALAR: {
        const node = readScalar(text, event);
        if (event.anchorStart !== ABSENT) anchors.set(text.slice(event.anchorStart, event.anchorEnd), node);
        take(node);
        break;
      }
      case EVENT_ID.ALIAS: {
        const node = anchors.get(text.slice(event.anchorStart, event.anchorEnd));
        if (node === undefined) throw new NotYaml(event.anchorStart - 1, "this alias names nothing that came before");
        take(node);
        break;
      }
      case EVENT_ID.POP:
        open.pop();
    }
  }
  return root?.at === undefined ? undefined : root;
}

function readScalar(text: string, event: ScalarEvent): YamlScalar {
  const isText = event.style !== SCALAR_STYLE.PLAIN || event.tagStart !== ABSENT;
  refuseTag(text, event, "!!str");
  const value = getScalarValue(text, event);
  const quotes = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
  const at = event.valueStart === ABSENT ? undefined : event.valueStart - quotes;
  return { kind: "scalar", at, value: isText ? value : meaningOf(value) };
}

function meaningOf(text: string): string | number | boolean | null {
  for (const tag of PLAIN) {
    if (tag.implicitFirstChars?.includes(text.charAt(0)) === false) continue;
    const value: string | number | boolean | null | typeof NOT_RESOLVED = tag.resolve(text, false, tag.tagName);
    if (value !== NOT_RESOLVED) return value;
  }
  return text;
}

/** Only the tag that says what the node is anyway. */
function refuseTag(text: string, event: ScalarEvent | MappingEvent | SequenceEvent, own: string): void {
  if (event.tagStart === ABSENT) return;
  const tag = text.slice(event.tagStart, event.tagEnd);
  if (tag !== "!" && tag !== own) throw new NotYaml(event.tagStart, TAG);
}

/** Where a further document begins: at its marker, where it has one. */
function beginOf(text: string, { explicitStart }: DocumentEvent, after: number): number {
  const marker = explicitStart ? text.indexOf("\n---", after) : ABSENT;
  return marker === ABSENT ? after : marker + 1;
}
