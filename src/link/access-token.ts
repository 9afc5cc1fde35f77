import type { Fetch } from "./tracker-http.ts";

/**
 * An OAuth 2.0 access token for trackers that ask for one, or a function that gets one: called before the first request
 * to a tracker and again when that tracker refuses what it gave. An empty text sends none, for trackers that get none.
 */
export type AccessToken = string | ((trackerUrl: string) => string | Promise<string>);

/**
 * A fetch that shows an access token to one tracker. A request that is refused for it (401) is repeated once, with a
 * new one, so that a registration outlives its tokens. Once there is a token, requests leave at once: those of
 * `pagehide` must.
 */
export function authorizedFetch(fetch: Fetch, trackerUrl: string, token: AccessToken): Fetch {
  let current = typeof token === "string" ? token : undefined;
  let renewal: Promise<string> | undefined;
  const renew = (): Promise<string> => {
    // Requests that are refused together ask for one new token.
    renewal ??= Promise.resolve(typeof token === "string" ? token : token(trackerUrl))
      .then((text) => (current = text))
      .finally(() => {
        renewal = undefined;
      });
    return renewal;
  };
  const ask = (url: string, init: RequestInit, shown: string): Promise<Response> => {
    if (shown === "") return fetch(url, init);
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${shown}`);
    return fetch(url, { ...init, headers });
  };
  return async (url, init) => {
    const shown = current ?? (await renew());
    const response = await ask(url, init, shown);
    if (response.status !== 401 || typeof token === "string") return response;
    const other = current === shown ? await renew() : (current ?? "");
    if (other === shown) return response;
    void response.body?.cancel().catch(() => undefined);
    return ask(url, init, other);
  };
}
