import { PlaybackError } from "../engine/errors.ts";
import type { AccessToken } from "../link/access-token.ts";
import type { Dial } from "../link/dial.ts";
import { dialPeer, hasWebRtc } from "../link/peer-connection.ts";
import { tellTracker } from "../link/tracker-http.ts";
import { Calls } from "./calls.ts";
import type { Port } from "./port.ts";
import { type EarlyAnswer, fromFailure, type OpenMessage, type ToHost, type ToPage } from "./protocol.ts";
import { LOOK_MS, LOST_LOOKS, RemoteEngine } from "./remote-engine.ts";
import { forgetHost, startHost } from "./start.ts";

/** What is opened, and how. */
export type RemoteOptions = Omit<OpenMessage, "type" | "webRtc" | "accessToken"> & {
  readonly accessToken?: AccessToken | undefined;
};

/** An engine that is being opened. */
export interface Opening {
  /** @throws ContentError or PlaybackError where there is no usable ppsp.json; TypeError where no host can be loaded, or it does not answer */
  readonly engine: Promise<RemoteEngine>;
  /** Tells the host something, which waits until it runs. */
  post(message: ToHost): void;
  /** Closes the engine, also before it is open. */
  close(): void;
}

/** What an engine that is being opened has to say. */
export interface OpeningEvents {
  /** One line for the console. */
  warn(text: string): void;
  /** What was asked for early has come. */
  early?(answer: EarlyAnswer): void;
}

/** What Chromium tells of a device's power. */
interface Battery extends EventTarget {
  readonly charging: boolean;
}

/** Opens an engine at the page's host, and does for it what only a page can do. */
export function openRemote(options: RemoteOptions, events: OpeningEvents): Opening {
  const host = startHost();
  const port = host.then((connect) => connect());
  const engine = port.then((open) => attach(open, options, events, hasWebRtc() ? dialPeer : undefined));
  let opened: RemoteEngine | undefined;
  engine.then(
    (one) => {
      opened = one;
      one.on("close", () => one.lost && forgetHost(host));
    },
    (error: unknown) => error instanceof TypeError && forgetHost(host),
  );
  const post = (message: ToHost): void =>
    void port.then(
      (open) => open.post(message),
      () => undefined,
    );
  return {
    engine,
    post,
    close() {
      if (opened === undefined) post({ type: "close" });
      else opened.close();
    },
  };
}

/** Opens an engine at the host of a port; `dial` is undefined where there is no WebRTC. @throws as `Opening.engine` */
export function attach(
  port: Port<ToHost, ToPage>,
  { accessToken, ...options }: RemoteOptions,
  events: OpeningEvents,
  dial: Dial | undefined,
): Promise<RemoteEngine> {
  const calls = new Calls(dial, (message, transfer) => port.post(message, transfer));
  const farewells = new Farewells();
  const ended = new AbortController();
  void tellPower(port, ended.signal);
  port.post({
    ...options,
    type: "open",
    webRtc: dial !== undefined,
    accessToken: typeof accessToken === "function" ? true : accessToken,
  });
  const token = async ({ id, url }: Extract<ToPage, { type: "token" }>): Promise<void> => {
    try {
      const text = typeof accessToken === "function" ? await accessToken(url) : "";
      farewells.tokens.set(url, text);
      port.post({ type: "token", id, token: text });
    } catch (error) {
      port.post({ type: "token", id, error: String(error) });
    }
  };
  return new Promise((resolve, reject) => {
    let engine: RemoteEngine | undefined;
    let looks = 0;
    // The browser may have ended the worker without a word. Looks, not ms: whoever freezes the page freezes these.
    const watch = setInterval(() => {
      if (++looks < LOST_LOOKS) return;
      reject(new TypeError("the worker does not answer"));
      end();
    }, LOOK_MS);
    const end = (): void => {
      clearInterval(watch);
      ended.abort();
      calls.close();
      port.close();
    };
    port.onmessage = (message) => {
      clearInterval(watch);
      switch (message.type) {
        case "opening":
          return;
        case "opened":
          engine = new RemoteEngine(port, message);
          // The worker goes with its page, and may say nothing any more; or it is gone already.
          engine.on("close", () => {
            if (!pageGoes && engine?.lost !== true) return;
            calls.close();
            farewells.say(typeof accessToken === "string" ? accessToken : undefined);
            if (!pageGoes) end();
          });
          resolve(engine);
          return;
        case "failed":
          reject(fromFailure(message.failure));
          end();
          return;
        case "token":
          void token(message);
          return;
        case "farewell":
          farewells.bodies.set(message.url, message.body);
          return;
        case "dial":
        case "tell":
        case "hang up":
          calls.received(message);
          return;
        case "early":
          events.early?.(message.answer);
          return;
        case "closed":
          reject(new PlaybackError("aborted", "the engine is closed"));
          end();
          return;
        default:
          if (message.type === "warning") events.warn(message.text);
          engine?.received(message);
      }
    };
  });
}

/** What the page tells trackers itself when it goes, and the tokens that they ask for. */
class Farewells {
  readonly bodies = new Map<string, string>();
  readonly tokens = new Map<string, string>();

  say(token: string | undefined): void {
    for (const [url, body] of this.bodies) tellTracker(url, body, token ?? this.tokens.get(url));
  }
}

/** Between `pagehide` and a return from the back/forward cache. */
let pageGoes = false;
globalThis.addEventListener?.("pagehide", () => (pageGoes = true), { capture: true });
globalThis.addEventListener?.("pageshow", () => (pageGoes = false), { capture: true });

/** Workers are not told of the battery. */
async function tellPower(port: Port<ToHost, ToPage>, signal: AbortSignal): Promise<void> {
  const device = globalThis.navigator as { getBattery?: () => Promise<Battery> } | undefined;
  // Refused where the page's permissions policy forbids it.
  const battery = await device?.getBattery?.().catch(() => undefined);
  if (battery === undefined || signal.aborted) return;
  const tell = (): void => port.post({ type: "power", charging: battery.charging });
  battery.addEventListener("chargingchange", tell, { signal });
  tell();
}
