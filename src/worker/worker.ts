/** Entry of dist/ppsp-worker.js: in a worker it hosts an engine for each port that comes in; a page may import `serve` instead. */
import { messagePort } from "./port.ts";
import type { Greeting, ToHost, ToPage } from "./protocol.ts";
import { serve } from "./serve.ts";

export { serve };

if (!("document" in globalThis)) {
  addEventListener("message", ({ ports: [port] }) => {
    if (port !== undefined) serve(messagePort<ToPage, ToHost>(port));
  });
  const greeting: Greeting = { channels: typeof RTCDataChannel === "function" };
  postMessage(greeting);
}
