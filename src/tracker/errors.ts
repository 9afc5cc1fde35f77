/** HTTP status of each way in which a request can fail; the only ones that PPSP-TP knows (Appendix B.4). */
export const STATUS = {
  malformed: 400,
  version: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  timeout: 408,
  length: 411,
  "uri-too-long": 414,
  internal: 500,
  unavailable: 503,
} as const;

/** Ways in which a tracker refuses a request. */
export type RefusalCode = keyof typeof STATUS;

/** What is wrong between a peer and its tracker; `unreachable` and `bad-response` are seen by the client only. */
export class TrackerError extends Error {
  override readonly name = "TrackerError";
  readonly code: RefusalCode | "unreachable" | "bad-response";

  constructor(code: TrackerError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Shorthand for the error of everything that does not follow the syntax of §3. */
export const malformed = (message: string): TrackerError => new TrackerError("malformed", message);

/** A reason as header fields, status lines and close frames take it: it may quote a parser, and that a peer. @param limit - octets */
export const plainReason = (reason: string, limit: number): string =>
  reason.replace(/[^\x20-\x7e]/gu, " ").slice(0, limit);
