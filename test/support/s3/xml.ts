// The subset of XML in S3's answers and requests.

export type Xml = string | number | boolean | undefined | { readonly [name: string]: Xml | readonly Xml[] };

export function xmlDocument(root: string, content: Xml): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${render(content)}</${root}>`;
}

function render(content: Xml): string {
  if (content === undefined) return "";
  if (typeof content !== "object") return escapeXml(String(content));
  return Object.entries(content)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => [name, each as Xml] as const))
    .map(([name, value]) => (value === undefined ? "" : `<${name}>${render(value)}</${name}>`))
    .join("");
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r\n]/g, (each) => `&#${each.charCodeAt(0)};`);
}

/** Text of every element of that name, in order; nested elements stay as text. */
export function xmlElements(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, "g"))].map((match) => unescapeXml(match[1] ?? ""));
}

function unescapeXml(text: string): string {
  const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, word?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[word ?? ""] ?? whole;
  });
}
