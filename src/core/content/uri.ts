/** Longest URI of a presentation, characters: what servers accept at least (RFC 9110 §4.1 asks for 8000). */
export const MAX_URI_LENGTH = 8_000;

/**
 * The characters that a URI's path stands for, so that "a b.ts" and "a%20b.ts" are the same file; undefined for what is
 * no percent-encoded UTF-8.
 */
export function decodedPath(uri: string): string | undefined {
  try {
    return decodeURIComponent(uri);
  } catch {
    return undefined;
  }
}

/**
 * Whether `uri` names something inside the folder that it is relative to, whatever a URL parser does with it: no scheme,
 * authority, absolute path, dot segment, backslash, query, fragment or control character, also in encoded form.
 */
export function isRelativeUri(uri: string): boolean {
  if (/[?#]/.test(uri) || /%2f|%5c/i.test(uri) || /^[a-z][a-z0-9+.-]*:/i.test(uri)) return false;
  const path = decodedPath(uri);
  // eslint-disable-next-line no-control-regex -- these are what must be refused
  if (path === undefined || path === "" || path.startsWith("/") || /[\\\u0000-\u001f\u007f]/.test(path)) return false;
  // URL parsers strip spaces at the ends.
  return path === path.trim() && !path.split("/").some((segment) => segment === "." || segment === "..");
}
