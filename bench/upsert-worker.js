import { DurableObject } from "cloudflare:workers";

/** The least that a tracker in a Durable Object could do for a request: read it, and one SQL upsert. */
export class Upsert extends DurableObject {
  constructor(state, environment) {
    super(state, environment);
    state.storage.sql.exec("CREATE TABLE IF NOT EXISTS members (peer TEXT PRIMARY KEY, member TEXT) WITHOUT ROWID");
  }

  async fetch(request) {
    const body = await request.text();
    const peer = new URL(request.url).searchParams.get("peer");
    this.ctx.storage.sql.exec("INSERT OR REPLACE INTO members VALUES (?, ?)", peer, body);
    return new Response("ok");
  }
}

export default {
  fetch: (request, environment) => environment.UPSERT.getByName("swarm").fetch(request),
};
