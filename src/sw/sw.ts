/** Entry of dist/ppsp-sw.js: answers the requests of any player from the engine of whichever page serves its presentation. */
import { BYPASS, type ByteRange, type ToPage, type ToWorker } from "./protocol.ts";
import { contentType, parseRange } from "./range.ts";
import { Relay, relayBody, type Head } from "./relay.ts";
import { Roster } from "./roster.ts";

const worker = globalThis as unknown as ServiceWorkerGlobalScope;

/** A page with an engine answers the roll call within this time, ms. Spent once in the life of a worker, by its first media request. */
const ROLL_CALL_MS = 200;
/** What a player's requests are for, as browsers see them; a script's `fetch` has no destination. */
const MEDIA: ReadonlySet<RequestDestination> = new Set(["", "audio", "track", "video"]);
/** A player that revalidates or asks conditionally has a copy; that is between it and the origin. */
const CONDITIONS = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

const roster = new Roster();
/** Browsers end a worker between two requests and start it without memory. */
let rolledCall: Promise<void> | undefined;
let heard: (() => void) | undefined;

worker.addEventListener("install", (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("message", (event) => {
  const message = event.data as ToWorker;
  const client = event.source instanceof WindowClient ? event.source.id : undefined;
  if (message.ppsp === "claim") event.waitUntil(worker.clients.claim());
  if (client === undefined) return;
  if (message.ppsp === "serve") {
    roster.serve(client, message.presentation, message.urls);
    heard?.();
  } else if (message.ppsp === "leave") roster.leave(client, message.presentation);
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const rangeHeader = request.headers.get("range");
  const range = rangeHeader === null ? undefined : parseRange(rangeHeader);
  if (
    request.method !== "GET" ||
    !MEDIA.has(request.destination) ||
    request.url.endsWith(BYPASS) ||
    (rangeHeader !== null && range === undefined) ||
    CONDITIONS.some((name) => request.headers.has(name))
  ) {
    return;
  }
  // Once it is known who serves what, requests for anything else do not pass through here at all.
  if (rolledCall !== undefined && roster.find(request.url, event.clientId) === undefined) return;
  event.respondWith(respond(event, range));
});

async function respond(event: FetchEvent, range: ByteRange | undefined): Promise<Response> {
  const { request } = event;
  await (rolledCall ??= callRoll(request.url, event.clientId));
  const answer = await ask(request.url, range, event.clientId);
  if (answer === undefined) return fetch(request);
  const { relay, head } = answer;
  const body = relayBody(relay, head, request);
  const headers = new Headers({
    "Accept-Ranges": "bytes",
    "Content-Length": String(head.length),
    "Content-Type": contentType(request.url),
  });
  if (range === undefined) return new Response(body, { headers });
  headers.set("Content-Range", `bytes ${head.first}-${head.first + head.length - 1}/${head.total ?? "*"}`);
  return new Response(body, { status: 206, statusText: "Partial Content", headers });
}

/** Asks the pages that serve a resource, one after the other; undefined when none does. */
async function ask(
  url: string,
  range: ByteRange | undefined,
  asking: string,
): Promise<{ readonly relay: Relay; readonly head: Head } | undefined> {
  for (;;) {
    const server = roster.find(url, asking);
    if (server === undefined) return undefined;
    const { client, presentation } = server;
    const page = await worker.clients.get(client);
    if (page !== undefined) {
      const { port1, port2 } = new MessageChannel();
      page.postMessage({ ppsp: "get", presentation, url, range, client: asking } satisfies ToPage, [port2]);
      const relay = new Relay(port1);
      const head = await relay.head();
      if (head?.type === "head") return { relay, head };
      if (head !== undefined) {
        relay.close();
        return undefined;
      }
      // It is frozen or busy; it announces itself when it is back.
      relay.giveUp();
      roster.leave(client, presentation);
    } else roster.leave(client);
  }
}

/** Asks all pages what they serve; settles when one answers for this resource, or when it is too late. */
async function callRoll(url: string, asking: string): Promise<void> {
  const answered = new Promise<void>((resolve) => {
    heard = () => {
      if (roster.find(url, asking) !== undefined) resolve();
    };
    setTimeout(resolve, ROLL_CALL_MS);
  });
  for (const page of await worker.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    page.postMessage({ ppsp: "roll-call" } satisfies ToPage);
  }
  heard?.();
  await answered;
  heard = undefined;
}
