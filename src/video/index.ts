/** Entry of dist/ppsp-player.js: defines `<ppsp-player>` and exports what a page of one's own needs. */
import { attachServiceWorker } from "./attach-service-worker.ts";
import { PpspPlayer } from "./ppsp-player.ts";

export { PpspPlayer, type PlayerStats } from "./ppsp-player.ts";
export type { PlayerConfig } from "./config.ts";
export { PlayerError } from "./player-error.ts";
export { attachServiceWorker, type Attachment, type AttachOptions } from "./attach-service-worker.ts";

declare global {
  interface HTMLElementTagNameMap {
    "ppsp-player": PpspPlayer;
  }
}

// Not in a server-side renderer, and not twice where a page has two copies of the script.
if ("customElements" in globalThis && customElements.get("ppsp-player") === undefined) {
  customElements.define("ppsp-player", PpspPlayer);
}

// <script type="module" src="ppsp-player.js" data-service-worker="/ppsp-sw.js" data-presentation="…" data-tracker="…">;
// also data-encoding and data-relay-only.
if ("document" in globalThis) {
  const {
    serviceWorker: script,
    presentation,
    tracker,
    relayOnly,
    encoding,
  } = Array.from(document.scripts).find(({ src }) => src === import.meta.url)?.dataset ?? {};
  if (script !== undefined && presentation !== undefined) {
    void attachServiceWorker({
      script,
      presentation,
      relayOnly: relayOnly !== undefined,
      ...(tracker === undefined ? {} : { tracker }),
      ...(encoding === "xml" ? { encoding } : {}),
    });
  }
}
