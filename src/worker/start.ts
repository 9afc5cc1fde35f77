import { hasWebRtc } from "../link/peer-connection.ts";
import { localPair, messagePort, type Port } from "./port.ts";
import type { Greeting, ToHost, ToPage } from "./protocol.ts";
import type { serve as Serve } from "./serve.ts";

/** Where the worker's script is, from this one's place: beside it, or where a bundle has it (vite.config.ts). */
declare const PPSP_WORKER: string;

/** Makes the page's end of a new port whose other end has a host. */
type Connect = () => Port<ToHost, ToPage>;

let starting: Promise<Connect> | undefined;

/** Starts the page's one worker, if it does not run, so that it is there when an engine is to be opened. */
export function startHost(): Promise<Connect> {
  return (starting ??= start(new URL(PPSP_WORKER, import.meta.url).href).catch((error: unknown) => {
    starting = undefined;
    throw error;
  }));
}

/** The next engine is not opened at this host: it does not answer any more. */
export function forgetHost(host: Promise<Connect>): void {
  if (host === starting) starting = undefined;
}

/** Where no worker can be had, or one that takes no data channel, the same script runs in the page. */
async function start(script: string): Promise<Connect> {
  try {
    const worker = await startWorker(script);
    return () => {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage(null, [port2]);
      return messagePort(port1);
    };
  } catch {
    const { serve } = (await import(/* @vite-ignore */ script)) as { readonly serve: typeof Serve };
    return () => {
      const [here, there] = localPair<ToHost, ToPage>();
      serve(there);
      return here;
    };
  }
}

/** Settles when the worker has said that it runs. */
async function startWorker(script: string): Promise<Worker> {
  // A worker's script must be of the page's own origin; what it imports later need not.
  const foreign = new URL(script).origin !== location.origin;
  const loader = `import(${JSON.stringify(script)}).catch(() => postMessage({ channels: false }));`;
  const url = foreign ? URL.createObjectURL(new Blob([loader], { type: "text/javascript" })) : script;
  const worker = new Worker(url, { type: "module", name: "ppsp" });
  try {
    const { channels } = await new Promise<Greeting>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Greeting>) => resolve(data);
      worker.onerror = (event) => {
        // It is no error of the page.
        event.preventDefault();
        reject(new Error("the worker does not answer"));
      };
    });
    if (!channels && (foreign || hasWebRtc())) throw new Error("the worker takes no data channel");
    worker.onerror = null;
    return worker;
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    if (foreign) URL.revokeObjectURL(url);
  }
}
