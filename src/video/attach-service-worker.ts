import type { RemoteEngine } from "../worker/remote-engine.ts";
import { PagePort } from "../sw/page-port.ts";
import type { EngineConfig } from "./config.ts";
import { openSwarm, type Warn } from "./open-swarm.ts";
import { SwarmEntry } from "./swarm-entry.ts";

/** How a page shares what its players load through the Service Worker. */
export interface AttachOptions extends EngineConfig {
  /** URL of ppsp-sw.js on the page's own origin; what lies beside and below it is under its control. */
  readonly script: string;
  /** URL of ppsp.json. */
  readonly presentation: string;
  /** URLs of trackers, separated by blanks, instead of those in ppsp.json. */
  readonly tracker?: string;
}

/** A page that answers for a presentation. */
export interface Attachment {
  /** Another one after a return from the back/forward cache, or when the browser has ended it. */
  readonly engine: RemoteEngine;
  /** Leaves the swarm; players go on over HTTP. */
  close(): void;
}

const OTHERWISE = "players load over HTTP only";

/**
 * Lets any player on pages under the Service Worker load a presentation from the swarm, with this page's engine. Resolves
 * without an attachment, after one warning on the console, where that cannot be; players then load over HTTP as before.
 */
export async function attachServiceWorker(options: AttachOptions): Promise<Attachment | undefined> {
  const warned = new Set<string>();
  let closed = false;
  const warn: Warn = (message) => {
    if (closed || warned.has(message)) return;
    warned.add(message);
    console.warn(`ppsp-player: ${message}`);
  };
  if (!("serviceWorker" in navigator)) {
    warn(`This browser or page has no Service Worker (it needs HTTPS or localhost): ${OTHERWISE}.`);
    return undefined;
  }
  const presentation = new URL(options.presentation, document.baseURI).href;
  const trackers = (options.tracker ?? "").split(/\s+/).filter((url) => url !== "");
  const registering = register(options.script);
  let latest: RemoteEngine | undefined;
  let port: PagePort | undefined;
  let settle: (engine?: RemoteEngine) => void;
  const settled = new Promise<RemoteEngine | undefined>((resolve) => (settle = resolve));
  const entry = new SwarmEntry({
    open: (place, events) => openSwarm({ ...options, presentation: place, trackers }, events),
    opened: (engine) => void registering.then((registration) => serve(engine, registration), noWorker),
    failed: () => settle(),
    warn,
    otherwise: OTHERWISE,
  });
  const serve = (engine: RemoteEngine, registration: ServiceWorkerRegistration): void => {
    // It was closed while the worker started: the page is hidden, or the engine is lost.
    if (entry.engine !== engine) return;
    const own = new PagePort(engine, presentation, registration);
    // Whatever it ends for, the worker must not ask it any more.
    engine.on("close", () => own.close());
    [latest, port] = [engine, own];
    settle(engine);
  };
  const noWorker = (error: unknown): void => {
    warn(`The Service Worker cannot start: ${OTHERWISE}. ${error instanceof Error ? error.message : String(error)}`);
    settle();
  };
  registering.catch(noWorker);
  const listening = new AbortController();
  const { signal } = listening;
  const close = (): void => {
    closed = true;
    listening.abort();
    entry.hide();
  };
  addEventListener("pagehide", () => entry.hide(), { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && entry.show(), { signal });
  const seen = (): void => {
    if (document.visibilityState === "visible") port?.announce();
  };
  document.addEventListener("visibilitychange", seen, { signal });
  entry.name(presentation);
  const first = await settled;
  if (first === undefined) {
    close();
    return undefined;
  }
  return {
    get engine() {
      return latest ?? first;
    },
    close,
  };
}

async function register(script: string): Promise<ServiceWorkerRegistration> {
  const registration = await navigator.serviceWorker.register(script);
  if (registration.active !== null) return registration;
  const starting = registration.installing ?? registration.waiting;
  if (starting === null) throw new Error("no worker");
  await new Promise<void>((resolve, reject) => {
    starting.addEventListener("statechange", () => {
      if (starting.state === "activated") resolve();
      else if (starting.state === "redundant") reject(new Error("its installation failed"));
    });
  });
  return registration;
}
