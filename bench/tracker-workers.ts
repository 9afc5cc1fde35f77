/** The two Workers of the tracker's benchmark, each in a workerd of its own. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare, type MiniflareOptions } from "miniflare";

/** A Worker that runs. */
export interface RunningWorker {
  readonly port: number;
  close(): Promise<void>;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

async function start(script: string, rest: Partial<MiniflareOptions>): Promise<RunningWorker> {
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.ERROR),
    modules: true,
    script: await readFile(pathOf(script), "utf8"),
    compatibilityDate: "2026-04-01",
    ...rest,
  } as MiniflareOptions);
  return { port: Number((await miniflare.ready).port), close: () => miniflare.dispose() };
}

/** bench/upsert-worker.js. */
export const startUpserts = (): Promise<RunningWorker> =>
  start("../../bench/upsert-worker.js", { durableObjects: { UPSERT: { className: "Upsert", useSQLite: true } } });

/** Our Worker with the objects that wrangler.jsonc names, open to all. */
export async function startWorker(): Promise<RunningWorker> {
  const { unstable_readConfig } = await import("wrangler");
  const { durable_objects, vars } = unstable_readConfig({ config: pathOf("../../tracker-worker/wrangler.jsonc") });
  const objects = durable_objects.bindings as readonly { readonly name: string; readonly class_name: string }[];
  return await start("../tracker-worker.js", {
    durableObjects: Object.fromEntries(
      objects.map(({ name, class_name }) => [name, { className: class_name, useSQLite: true }]),
    ),
    bindings: { ...(vars as Record<string, string>), OPEN: "true", REQUEST_RATE: "0", TRACK_TIMER: "3600" },
  });
}
