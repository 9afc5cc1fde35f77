import type { IncomingMessage } from "node:http";
import { LENGTH_MISMATCH } from "../../tracker/body.ts";
import { TrackerError } from "../../tracker/errors.ts";
import type { Inquiry } from "../../tracker/exchange.ts";

/** A request for PPSP-TP whose body has been read; `bytes` is undefined where there is none that matters. */
export const toInquiry = (
  { method = "GET", url = "/", headers }: IncomingMessage,
  bytes: Uint8Array<ArrayBuffer> | undefined,
): Inquiry => ({
  method,
  target: url,
  header: (name) => headers[name]?.toString(),
  body: (length) => {
    if (bytes?.byteLength !== length) throw new TrackerError("length", LENGTH_MISMATCH);
    return bytes;
  },
});

/**
 * What src/tracker reads of a Request, over what node:http has read already: Node's own Request costs more than all else that is
 * done for a PPSP-TP request.
 */
class ReadRequest implements Pick<Request, "method" | "url" | "text"> {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null; has(name: string): boolean };
  readonly body: {
    getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(): Promise<void> };
  } | null;
  readonly #bytes: Uint8Array;

  constructor({ method = "GET", url = "/", headers }: IncomingMessage, bytes: Uint8Array | undefined) {
    this.method = method;
    // Where a URI has more than a path, it is refused like any other unknown resource.
    this.url = `http://tracker${url.startsWith("/") ? url : "/?"}`;
    this.headers = {
      get: (name) => {
        const value = headers[name.toLowerCase()];
        return value === undefined ? null : String(value);
      },
      has: (name) => headers[name.toLowerCase()] !== undefined,
    };
    this.#bytes = bytes ?? new Uint8Array();
    let read = bytes === undefined;
    this.body = {
      getReader: () => ({
        read: async () => {
          if (read) return { done: true };
          read = true;
          return { done: false, value: this.#bytes };
        },
        cancel: async () => undefined,
      }),
    };
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(this.#bytes);
  }
}

/** The same for everything beside PPSP-TP. */
export const toRequest = (message: IncomingMessage, bytes: Uint8Array | undefined): Request =>
  new ReadRequest(message, bytes) as unknown as Request;
