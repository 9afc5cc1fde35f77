import { SaxesParser, type XMLDecl } from "saxes";
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
  const parser = new SaxesParser({ xmlns: true });
  const open: (Element | undefined)[] = [];
  let root: Element | undefined;
  let elements = 0;
  // No more than six handlers: they become properties of the parser, and with a seventh V8 makes it a slow object, which
  // takes five times as long. Errors are thrown where nobody listens for them.
  parser.on("doctype", () => {
    throw malformed("XML: document types are not allowed");
  });
  parser.on("processinginstruction", () => {
    throw malformed("XML: processing instructions are not allowed");
  });
  parser.on("opentag", (tag) => {
    elements += 1;
    if (elements === 1) checkDeclaration(parser.xmlDecl);
    if (elements > maxElements) throw malformed("XML: too many elements");
    if (open.length >= MAX_DEPTH) throw malformed("XML: nested too deeply");
    const extension = EXTENSION_NAMESPACES.find((namespace) => namespace === tag.uri);
    const known = extension !== undefined || BASE_NAMESPACES.includes(tag.uri);
    const attributes = new Map<string, string>();
    if (known) {
      for (const attribute of Object.values(tag.attributes)) {
        if (attribute.prefix === "") attributes.set(attribute.local, attribute.value);
      }
    }
    const element: Element | undefined = known
      ? { name: tag.local, extension, attributes, children: [], text: "" }
      : undefined;
    const parent = open.at(-1);
    if (element !== undefined) {
      if (open.length === 0) root = element;
      else parent?.children.push(element);
    }
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  const addText = (text: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  try {
    parser.write(body).close();
  } catch (error) {
    throw error instanceof TrackerError ? error : malformed(`XML: ${(error as Error).message}`);
  }
  if (root === undefined) throw malformed("XML: namespace of the root element is not known");
  return root;
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
