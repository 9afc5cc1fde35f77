import { PlaybackError } from "./errors.ts";

/** A text document of the publisher, and where it was at last. */
export interface Document {
  readonly text: string;
  /** After redirections. */
  readonly url: string;
}

/** Reads a document of at most `limit` bytes. @throws PlaybackError "presentation" */
export async function readDocument(url: string, limit: number, signal?: AbortSignal): Promise<Document> {
  try {
    const response = await fetch(url, signal === undefined ? {} : { signal });
    if (!response.ok || response.body === null) {
      throw new PlaybackError("presentation", `${url} answered ${response.status}`);
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), url: response.url };
      size += value.length;
      if (size > limit) {
        void reader.cancel();
        throw new PlaybackError("presentation", `${url} is too large`);
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    if (error instanceof PlaybackError) throw error;
    throw new PlaybackError("presentation", `${url} could not be read`, { cause: error });
  }
}
