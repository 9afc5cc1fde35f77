import { resourceUrl } from "./protocol.ts";

/** Which pages answer for which URLs. */
export class Roster {
  /** By client id, then by presentation: resource URLs. Both in order of announcement. */
  readonly #pages = new Map<string, Map<string, ReadonlySet<string>>>();

  /** A page answers for these URLs of a presentation from now on. */
  serve(client: string, presentation: string, urls: Iterable<string>): void {
    const served = this.#pages.get(client) ?? new Map<string, ReadonlySet<string>>();
    served.set(presentation, new Set(urls));
    this.#pages.delete(client);
    this.#pages.set(client, served);
  }

  /** A page no longer answers for a presentation, or for anything. */
  leave(client: string, presentation?: string): void {
    const served = this.#pages.get(client);
    if (presentation !== undefined) served?.delete(presentation);
    if (presentation === undefined || served?.size === 0) this.#pages.delete(client);
  }

  /** Who answers for a resource: the page that asks if it can, else the one that announced itself last. */
  find(url: string, asking: string): { readonly client: string; readonly presentation: string } | undefined {
    const resource = resourceUrl(url);
    for (const client of [asking, ...[...this.#pages.keys()].toReversed()]) {
      for (const [presentation, urls] of this.#pages.get(client) ?? []) {
        if (urls.has(resource)) return { client, presentation };
      }
    }
    return undefined;
  }
}
