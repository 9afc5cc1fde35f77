import { malformed, TrackerError } from "./errors.ts";
import type { Inquiry } from "./exchange.ts";
import { BODY_TIMEOUT, MAX_BODY } from "./limits.ts";
import { after, type Soon } from "./soon.ts";

/**
 * Reads the body of a request as text (§4.3, Appendix B.3); it may be compressed with gzip.
 *
 * @param timeout - milliseconds that the peer may take to send it
 * @param limit - bytes, as sent and decompressed
 * @throws TrackerError "malformed", "length" or "timeout".
 */
export function readBody(inquiry: Inquiry, timeout = BODY_TIMEOUT, limit = MAX_BODY): Soon<string> {
  const encoding = inquiry.header("content-encoding")?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== "gzip") throw malformed("Content-Encoding is not gzip");
  const length = bodyLength(inquiry.header("content-length"), limit);
  return after(inquiry.body(length, timeout), (received) =>
    encoding === undefined ? utf8(received) : after(gunzip(received, limit), utf8),
  );
}

/** What Content-Length says, unless the body is not to be read at all. @throws TrackerError "malformed" or "length". */
export function bodyLength(length: string | undefined, limit: number): number {
  if (length === undefined || !/^\d{1,10}$/u.test(length)) throw new TrackerError("length", "Missing Content-Length");
  if (Number(length) > limit) throw malformed("Message body too large");
  if (Number(length) === 0) throw malformed("Missing message body");
  return Number(length);
}

function utf8(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw new TrackerError("malformed", "Message body is not UTF-8", { cause: error });
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** A body is as long as its Content-Length says, or it is refused. */
export const LENGTH_MISMATCH = "Content-Length does not match";

/**
 * All octets of the body of a Request; see Inquiry.
 *
 * @param whole - whether the runtime itself ends a body at its Content-Length: reading it at one go costs workerd a
 *   fraction of what a stream's reader does
 * @throws TrackerError "length" or "timeout".
 */
export async function receive(
  request: Request,
  length: number,
  timeout: number,
  whole: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TrackerError("timeout", "Message body not received in time")), timeout);
  });
  const reader = whole ? undefined : request.body?.getReader();
  try {
    const all = whole
      ? request.arrayBuffer().then((buffer) => new Uint8Array(buffer))
      : reader && collect(reader, length);
    const bytes = all && (await Promise.race([all, late]));
    if (bytes?.byteLength === length) return bytes;
  } catch (error) {
    if (error instanceof TrackerError) throw error;
    // A body that ends early is as much too short as one that can be read.
  } finally {
    clearTimeout(timer);
    void reader?.cancel().catch(() => undefined);
  }
  throw new TrackerError("length", LENGTH_MISMATCH);
}

/** All bytes of a stream; undefined when there are more than `limit`. */
async function collect(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > limit) return undefined;
    parts.push(value);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/**
 * Decompresses, and stops as soon as there is more than `limit`: a kilobyte may hold a gigabyte.
 *
 * @throws TrackerError "malformed".
 */
export async function gunzip(bytes: Uint8Array<ArrayBuffer>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  let plain: Uint8Array<ArrayBuffer> | undefined;
  try {
    plain = await collect(reader, limit);
  } catch (error) {
    throw new TrackerError("malformed", "Message body is not gzip", { cause: error });
  }
  if (plain !== undefined) return plain;
  void reader.cancel().catch(() => undefined);
  throw malformed("Message body too large");
}

/** Compresses text. */
export const gzip = (text: string): Promise<ArrayBuffer> =>
  new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();

/** Whether Accept-Encoding takes gzip (RFC 9110 §12.5.3). */
export function takesGzip(accepted = ""): boolean {
  const codings = accepted.toLowerCase().split(",");
  return codings.some((coding) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?:1(?:\.0*)?|0?\.\d*[1-9]\d*)\s*)?$/u.test(coding));
}
