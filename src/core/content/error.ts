/** What is wrong with a ppsp.json, or with a `ppsp:` URL. */
export type ContentErrorCode = "bad-field" | "unsupported-version" | "wrong-chunk-count" | "bad-url";

/** A ppsp.json that does not describe a presentation, or a URL that names no swarm. @see parsePresentation, parseSwarmUrl */
export class ContentError extends Error {
  override readonly name = "ContentError";
  readonly code: ContentErrorCode;
  /** Where in the document, as in `files[3].uri`, or which part of the URL; empty for the document itself. */
  readonly path: string;

  constructor(code: ContentErrorCode, path: string, problem: string) {
    super(`${path === "" ? "ppsp.json" : path}: ${problem}`);
    this.code = code;
    this.path = path;
  }
}
