import { openEngine } from "../../../src/engine/open.ts";
import type { Link, Rendezvous } from "../../../src/engine/ports.ts";
import { dialPeer } from "../../../src/link/peer-connection.ts";
import { createRendezvous } from "../../../src/link/rendezvous.ts";
import { Eviction } from "../../../src/store/eviction.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";

/** A neighbour whose chunks are all wrong by one bit; everything else about it is right. */
function lying(link: Link): Link {
  const send = link.send.bind(link);
  link.send = (head, payload) => {
    const wrong = payload?.slice();
    if (wrong !== undefined) wrong[0]! ^= 1;
    send(head, wrong);
  };
  return link;
}

/** Holds the whole presentation and joins its swarm as a liar. Resolves when it has everything; then tells how many bytes it sent. */
export async function lie(presentationUrl: string, tracker: string): Promise<() => number> {
  const engine = await openEngine({
    presentationUrl,
    store: new MemoryStore(),
    eviction: (presentation, layout) => new Eviction(presentation, layout),
    rendezvous: (presentation): Rendezvous | undefined => {
      const honest = createRendezvous(
        {
          trackers: [[tracker]],
          iceServers: presentation.iceServers,
          warn: console.warn,
        },
        dialPeer,
      );
      return (
        honest && {
          join: (id, events) => honest.join(id, { ...events, link: (link, first) => events.link(lying(link), first) }),
        }
      );
    },
  });
  for (let file = 0; file < engine.presentation.files.length; file++) {
    const pieces = engine.fetch(file, { deadline: () => 0 });
    while (!(await pieces.next()).done);
  }
  return () => engine.stats.uploadedBytes;
}
