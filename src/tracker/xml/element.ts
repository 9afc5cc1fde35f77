import { SaxesParser, type SaxesTagNS, type XMLDecl } from "saxes";
import { malformed, TrackerError } from "../errors.ts";
import { MAX_DEPTH } from "../limits.ts";

/** Namespace of the base protocol's elements; the draft leaves it "TBD". */
export const NAMESPACE = "urn:ppsp-player:tracker:1.0";
/** Namespaces of our extensions (docs/PROTOCOL.md). */
export const REGISTRATION_NAMESPACE = "urn:ppsp-player:tracker:registration:1";
export const STATISTICS_NAMESPACE = "urn:ppsp-player:tracker:statistics:1";
export const LISTS_NAMESPACE = "urn:ppsp-player:tracker:lists:1";
export const SIGNALLING_NAMESPACE = "urn:ppsp-player:tracker:signalling:1";
export const GRANT_NAMESPACE = "urn:ppsp-player:tracker:grant:1";
const EXTENSION_NAMESPACES: readonly string[] = [
  REGISTRATION_NAMESPACE,
  STATISTICS_NAMESPACE,
  LISTS_NAMESPACE,
  SIGNALLING_NAMESPACE,
  GRANT_NAMESPACE,
];
/** No namespace, and the draft's own placeholder, stand for the base protocol too. */
const BASE_NAMESPACES: readonly string[] = [NAMESPACE, "", "TBD"];

/** An XML element, without what PPSP-TP has no use for: comments, order of text and children, prefixes. */
export interface Element {
  /** Local name; elements of namespaces that we do not know are not kept. */
  readonly name: string;
  /** Of an extension; undefined for the base protocol. */
  readonly extension: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: Element[];
  text: string;
}

/**
 * Parses a message body into its root element. Refuses document types, processing instructions, encodings other than
 * UTF-8, bodies without XML declaration, and anything too deep or too large.
 *
 * @param maxElements - most elements of all namespaces
 * @throws TrackerError "malformed".
 */
export function parseDocument(body: string, maxElements: number): Element {
  try {
    return parser.parse(body, maxElements);
  } catch (error) {
    // Where it stopped is no beginning for another document.
    parser = new DocumentParser();
    throw error instanceof TrackerError ? error : malformed(`XML: ${(error as Error).message}`);
  }
}

/** Attributes of the many elements that have none. */
const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

/** Parses one document after the other: to make a parser costs as much as to read a short one. */
class DocumentParser {
  readonly #sax = new SaxesParser({ xmlns: true });
  readonly #open: (Element | undefined)[] = [];
  #root: Element | undefined;
  #elements = 0;
  #maxElements = 0;

  constructor() {
    const sax = this.#sax;
    // No more than six handlers: they become properties of the parser, and with a seventh V8 makes it a slow object, which
    // takes five times as long. Errors are thrown where nobody listens for them.
    sax.on("doctype", () => {
      throw malformed("XML: document types are not allowed");
    });
    sax.on("processinginstruction", () => {
      throw malformed("XML: processing instructions are not allowed");
    });
    sax.on("opentag", (tag) => this.#begin(tag));
    sax.on("closetag", () => {
      this.#open.pop();
    });
    const addText = (text: string): void => {
      const element = this.#open.at(-1);
      if (element !== undefined) element.text += text;
    };
    sax.on("text", addText);
    sax.on("cdata", addText);
  }

  /** @throws TrackerError, and Error where the text is no XML; then this parser is not to be used again */
  parse(body: string, maxElements: number): Element {
    this.#elements = 0;
    this.#maxElements = maxElements;
    this.#sax.write(body).close();
    const root = this.#root;
    this.#root = undefined;
    if (root === undefined) throw malformed("XML: namespace of the root element is not known");
    return root;
  }

  #begin({ uri, local, attributes }: SaxesTagNS): void {
    const open = this.#open;
    this.#elements += 1;
    if (this.#elements === 1) checkDeclaration(this.#sax.xmlDecl);
    if (this.#elements > this.#maxElements) throw malformed("XML: too many elements");
    if (open.length >= MAX_DEPTH) throw malformed("XML: nested too deeply");
    const base = uri === NAMESPACE || BASE_NAMESPACES.includes(uri);
    if (!base && !EXTENSION_NAMESPACES.includes(uri)) {
      open.push(undefined);
      return;
    }
    const extension = base ? undefined : uri;
    const element: Element = { name: local, extension, attributes: ownAttributes(attributes), children: [], text: "" };
    if (open.length === 0) this.#root = element;
    else open.at(-1)?.children.push(element);
    open.push(element);
  }
}

let parser = new DocumentParser();

/** Attributes without prefix. */
function ownAttributes(attributes: SaxesTagNS["attributes"]): ReadonlyMap<string, string> {
  let own: Map<string, string> | undefined;
  for (const name in attributes) {
    const { prefix, local, value } = attributes[name]!;
    if (prefix === "") (own ??= new Map()).set(local, value);
  }
  return own ?? NO_ATTRIBUTES;
}

function checkDeclaration({ version, encoding = "UTF-8" }: XMLDecl): void {
  if (version === undefined) throw malformed("XML: declaration is missing");
  if (version !== "1.0") throw malformed("XML: version is not 1.0");
  if (encoding.toUpperCase() !== "UTF-8") throw malformed("XML: encoding is not UTF-8");
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Escapes text for an element's content or a quoted attribute. */
export const escapeXml = (text: string): string =>
  // Nearly nothing of ours needs escapes, and looking costs less than replacing nothing.
  /[&<>"]/u.test(text) ? text.replace(/[&<>"]/gu, (character) => ESCAPES[character] ?? "") : text;

/** Writes one element: attributes that are undefined are left out; `content` is XML already. */
export function writeElement(
  name: string,
  attributes: Readonly<Record<string, string | number | boolean | undefined>>,
  content: string,
): string {
  let tag = name;
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) tag += ` ${key}="${typeof value === "string" ? escapeXml(value) : value}"`;
  }
  return content === "" ? `<${tag}/>` : `<${tag}>${content}</${name}>`;
}
