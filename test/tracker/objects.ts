import type { TrackerObjects } from "../../src/tracker/objects.ts";
import { type PeerRecord, PeerTracker } from "../../src/tracker/peer.ts";
import type { Member } from "../../src/tracker/member.ts";
import { SwarmTracker } from "../../src/tracker/swarm.ts";

/** All objects of a tracker in this process, on a clock that the test turns. */
export class LocalObjects implements TrackerObjects {
  now = 0;
  /** Random numbers drawn so far: a measure of the work that lists make. */
  draws = 0;
  readonly swarms = new Map<string, SwarmTracker>();
  readonly peers = new Map<string, PeerTracker>();
  /** What the swarms have stored. */
  readonly stored = new Map<string, Map<string, Member>>();
  #tokens = 0;
  #seed = 1;

  swarm(swarmId: string): ReturnType<TrackerObjects["swarm"]> {
    const swarm = this.swarms.get(swarmId) ?? this.#newSwarm(swarmId);
    return {
      onConnect: async (request, asker) => swarm.onConnect(request, asker),
      onFind: async (request) => swarm.onFind(request),
      onReport: async (request) => swarm.onReport(request),
      enter: async (entry, wish) => swarm.enter(swarmId, entry, wish),
      find: async (peerId, asker, wish) => swarm.find(swarmId, peerId, asker, wish),
      remove: async (peerId) => swarm.remove(peerId),
      note: async (peerId, stat, properties) => swarm.note(peerId, stat, properties),
    };
  }

  peer(peerId: string): PeerTracker {
    const found = this.peers.get(peerId);
    if (found !== undefined) return found;
    let record: PeerRecord | undefined;
    const peer = new PeerTracker({
      load: () => record,
      save: (saved) => {
        record = saved;
      },
      swarm: (swarmId) => this.swarm(swarmId),
      trackTimer: 1000,
      now: () => this.now,
    });
    this.peers.set(peerId, peer);
    return peer;
  }

  #newSwarm(swarmId: string): SwarmTracker {
    const members = new Map<string, Member>();
    const swarm = new SwarmTracker({
      storage: {
        load: () => members.values(),
        put: (member) => void members.set(member.peerId, member),
        delete: (peerId) => void members.delete(peerId),
      },
      trackTimer: 1000,
      now: () => this.now,
      random: () => {
        this.draws += 1;
        return (this.#seed = (this.#seed * 16_807) % 2_147_483_647) / 2_147_483_647;
      },
      newToken: () => `token${(this.#tokens += 1)}`,
      heard: () => 0,
      ended: () => undefined,
    });
    this.swarms.set(swarmId, swarm);
    this.stored.set(swarmId, members);
    return swarm;
  }
}
