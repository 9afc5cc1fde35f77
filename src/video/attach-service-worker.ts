import type { RemoteEngine } from "../worker/remote-engine.ts";
import { PagePort } from "../sw/page-port.ts";
import type { EngineConfig } from "./config.ts";
import { openSwarm, type Warn, whatFailed } from "./open-swarm.ts";

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
  /** Another one after a return from the back/forward cache. */
  readonly engine: RemoteEngine;
  /** Leaves the swarm; players go on over HTTP. */
  close(): void;
}

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
  const failed = (what: string, error: unknown): undefined => {
    warn(`${what}: players load over HTTP only. ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  };
  if (!("serviceWorker" in navigator)) {
    warn("This browser or page has no Service Worker (it needs HTTPS or localhost): players load over HTTP only.");
    return undefined;
  }
  const presentation = new URL(options.presentation, document.baseURI).href;
  const trackers = (options.tracker ?? "").split(/\s+/).filter((url) => url !== "");
  const open = (): Promise<RemoteEngine> => openSwarm({ ...options, presentation, trackers }, { warn }).engine;
  const [registration, engine] = await Promise.all([
    register(options.script).catch((error: unknown) => failed("The Service Worker cannot start", error)),
    open().catch((error: unknown) => failed(whatFailed(error), error)),
  ]);
  if (registration === undefined || engine === undefined) {
    engine?.close();
    return undefined;
  }
  let current = { engine, port: new PagePort(engine, presentation, registration) };
  const leave = (): void => {
    current.port.close();
    current.engine.close();
  };
  const hidden = (): void => leave();
  const shown = async (event: PageTransitionEvent): Promise<void> => {
    if (!event.persisted) return;
    const reopened = await open();
    current = { engine: reopened, port: new PagePort(reopened, presentation, registration) };
  };
  const returned = (event: PageTransitionEvent): void => {
    shown(event).catch((error: unknown) => failed("The engine cannot start again", error));
  };
  const seen = (): void => {
    if (document.visibilityState === "visible") current.port.announce();
  };
  addEventListener("pagehide", hidden);
  addEventListener("pageshow", returned);
  document.addEventListener("visibilitychange", seen);
  return {
    get engine() {
      return current.engine;
    },
    close() {
      closed = true;
      removeEventListener("pagehide", hidden);
      removeEventListener("pageshow", returned);
      document.removeEventListener("visibilitychange", seen);
      leave();
    },
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
