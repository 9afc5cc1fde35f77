/** What is wrong with a ppsp.json. */
export type ContentErrorCode = "bad-field" | "unsupported-version" | "wrong-chunk-count";

/** A ppsp.json that does not describe a presentation. @see parsePresentation */
export class ContentError extends Error {
  override readonly name = "ContentError";
  readonly code: ContentErrorCode;
  /** Where in the document, as in `files[3].uri`; empty for the document itself. */
  readonly path: string;

  constructor(code: ContentErrorCode, path: string, problem: string) {
    super(`${path === "" ? "ppsp.json" : path}: ${problem}`);
    this.code = code;
    this.path = path;
  }
}
