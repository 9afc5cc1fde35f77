/** How long a server may take to answer, or between two parts of an answer, ms. */
export const PATIENCE_MS = 15_000;

/** The Origin of our requests, which no server knows: what a page elsewhere would send. */
export const ORIGIN = "https://elsewhere.invalid";

/** What is wrong with an HTTP exchange, in words. */
export class ResponseError extends Error {
  override readonly name = "ResponseError";
}

/** An HTTP answer. Either its body is read to the end or left by the loop's `break`, or it is cancelled. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): Promise<void>;
}

/** What differs from a plain GET. */
export interface RequestDetails {
  readonly method?: "OPTIONS" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Makes a request as a page of another origin would, with a time-out on every wait. @throws ResponseError */
export async function request(url: string, signal: AbortSignal, details: RequestDetails = {}): Promise<Answer> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), PATIENCE_MS);
  const rewind = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), PATIENCE_MS);
  };
  const words = (error: unknown): unknown => {
    clearTimeout(timer);
    if (signal.aborted) return signal.reason;
    if (silence.signal.aborted) return new ResponseError(`no answer for ${PATIENCE_MS / 1000} s`);
    const { cause, message } = error as { cause?: { code?: string; message?: string }; message: string };
    return new ResponseError(`no answer: ${cause?.code ?? cause?.message ?? message}`);
  };
  let response: Response;
  try {
    response = await fetch(url, {
      ...details,
      headers: { origin: ORIGIN, "accept-encoding": "identity", ...details.headers },
      signal: AbortSignal.any([signal, silence.signal]),
    });
  } catch (error) {
    throw words(error);
  }
  const { status, headers, body } = response;
  async function* parts(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const part of body ?? []) {
        rewind();
        yield part as Uint8Array;
        rewind();
      }
    } catch (error) {
      throw words(error);
    } finally {
      clearTimeout(timer);
    }
  }
  const cancel = async (): Promise<void> => {
    clearTimeout(timer);
    await body?.cancel();
  };
  return { status, headers, body: parts(), cancel };
}

/** The whole body, at most `limit` bytes. @throws ResponseError if it is longer */
export async function readAll(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > limit) throw new ResponseError(`longer than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
