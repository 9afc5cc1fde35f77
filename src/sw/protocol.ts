/** Bytes of a resource, as in `Range: bytes=first-last`; without `last` up to its end. */
export interface ByteRange {
  readonly first: number;
  readonly last?: number;
}

/** From a page to the Service Worker. */
export type ToWorker =
  /** Take control of this page too; a hard reload leaves a page without. */
  | { readonly ppsp: "claim" }
  /** This page has an engine that answers for these URLs, without queries and fragments. Replaces an earlier list. */
  | { readonly ppsp: "serve"; readonly presentation: string; readonly urls: readonly string[] }
  /** It no longer has. */
  | { readonly ppsp: "leave"; readonly presentation: string }
  /** Nothing; Firefox ends a Service Worker 30 s after its last event, even in the middle of a response. */
  | { readonly ppsp: "keep-alive" };

/** From the Service Worker to a page. */
export type ToPage =
  /** The worker has just started and knows nothing: who serves what? */
  | { readonly ppsp: "roll-call" }
  /** Answer this request of the player in page `client` on the port that comes with it. */
  | {
      readonly ppsp: "get";
      readonly presentation: string;
      readonly url: string;
      readonly range: ByteRange | undefined;
      readonly client: string;
    };

/** On a request's port, from the page to the worker. The first is `head` or `refuse`. */
export type Answer =
  | {
      readonly type: "head";
      /** Of the first byte in the resource. */
      readonly first: number;
      /** Bytes that will follow. */
      readonly length: number;
      /** Of the resource; undefined where only ranges of it are published. */
      readonly total: number | undefined;
    }
  /** Ask the network: the engine does not hold these very bytes. */
  | { readonly type: "refuse" }
  | { readonly type: "bytes"; readonly bytes: ArrayBuffer }
  /** No more bytes will come; the worker knows whether these were all. */
  | { readonly type: "end" }
  /** Nor may they come from the network: its bytes are not those that were published. */
  | { readonly type: "fail" }
  | { readonly type: "pong" };

/** On a request's port, from the worker to the page. */
export type Ask =
  /** Credit for one `bytes`. */
  | { readonly type: "pull" }
  | { readonly type: "ping" }
  /** The player wants no more. */
  | { readonly type: "cancel" }
  /** No answer came in time: this page is asked no more until it announces itself again. */
  | { readonly type: "late" };

/** The URL by which a resource is known: signed queries and fragments do not matter. */
export function resourceUrl(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

/** Marks the engine's own requests: what asks the origin for the engine must not be answered by the engine. A fragment never leaves the browser. */
export const BYPASS = "#ppsp";
