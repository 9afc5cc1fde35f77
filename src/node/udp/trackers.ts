import { isIP, isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { mayTell } from "../../core/connection/peer-address.ts";
import type { EncodingName } from "../../link/encoding.ts";
import { type PeerReport, TrackerClient, type TrackerClientEvents } from "../../link/tracker-client.ts";
import { Trackers } from "../../link/trackers.ts";
import { jsonCodec } from "../../tracker/json/codec.ts";
import type { PeerAddress, PeerInfo, PeerMode } from "../../tracker/messages.ts";
import { xmlCodec } from "../../tracker/xml/codec.ts";
import type { UdpAddress } from "./address.ts";
import { octetsOf } from "./octets.ts";
import type { UdpSocket } from "./socket.ts";
import { trackerFetch } from "./tracker-fetch.ts";

/** Name of PPSPP in @peerProtocol, as the draft's examples have it. */
const PEER_PROTOCOL = "PPSP-PP";
/** Members to ask a tracker for, and most that are looked at in its answer. */
const PEER_NUM = 20;
/** Before a tracker is asked for more peers, ms; doubled each time, up to the second, as long as more are wanted. */
const FIND_MS = 2_000;
const FIND_MAX_MS = 60_000;

const CONTENT_TYPES: Readonly<Record<EncodingName, string>> = {
  xml: xmlCodec.contentType,
  json: jsonCodec.contentType,
};

/** Which trackers, and how they are spoken to. */
export interface TrackerChoice {
  /** Tiers of tracker URLs, best first. */
  readonly tiers: readonly (readonly string[])[];
  readonly encoding: EncodingName;
  /** Seconds: the base protocol does not tell it. @defaultValue 120 */
  readonly trackTimer?: number;
}

/** What a peer over UDP wants of its trackers. */
export interface UdpTrackersOptions extends TrackerChoice {
  /** SwarmID. */
  readonly swarm: string;
  readonly mode: PeerMode;
  readonly socket: UdpSocket;
  /** What to report now. */
  readonly report: () => PeerReport;
  /** Told where other peers are, as far as one may go there. */
  readonly meet: (peer: UdpAddress) => void;
  /** Whether more peers are wanted: then trackers are asked for them. */
  readonly wants: () => boolean;
  /** One line for the user. */
  readonly warn: (line: string) => void;
  /** Told once when no tracker serves this swarm. */
  readonly refused?: () => void;
}

/** A peer over UDP at its trackers, in the base protocol: registered with the address of its socket, until it leaves. */
export class UdpTrackers {
  readonly #options: UdpTrackersOptions;
  readonly #trackers: Trackers;
  /** The latest client of each tracker. */
  readonly #clients = new Map<string, TrackerClient>();
  readonly #refused = new Set<string>();
  readonly #ended = new AbortController();
  readonly #peerId = crypto.randomUUID();
  #timer: NodeJS.Timeout | undefined;

  /** Registers at once. */
  constructor(options: UdpTrackersOptions) {
    this.#options = options;
    const nothing = (): void => undefined;
    this.#trackers = new Trackers({
      tiers: options.tiers,
      register: (url, events) => this.#register(url, events),
      linked: () => false,
      events: { peers: nothing, signal: nothing, state: nothing, warning: options.warn, report: options.report },
    });
    this.#trackers.start();
    if (options.mode === "LEECH") this.#plan(FIND_MS);
  }

  /** Leaves; resolves when the trackers know, or do not answer. Never rejects. */
  async leave(): Promise<void> {
    clearTimeout(this.#timer);
    this.#trackers.leave();
    this.#ended.abort();
    await Promise.all([...this.#clients.values()].map(({ goodbye }) => goodbye));
  }

  #register(url: string, events: TrackerClientEvents): TrackerClient {
    const { swarm, mode, encoding, trackTimer, socket, meet } = this.#options;
    const { host } = socket.address;
    let tracker: string | undefined;
    const client = new TrackerClient({
      url,
      peerId: this.#peerId,
      swarmId: swarm,
      mode,
      peerNum: mode === "LEECH" ? PEER_NUM : 0,
      addresses: statedAddresses(socket.address),
      encoding,
      ...(trackTimer !== undefined && { trackTimer }),
      fetch: trackerFetch({
        contentType: CONTENT_TYPES[encoding],
        ended: this.#ended.signal,
        answered: (address) => (tracker = lessTrusted(tracker, address)),
        // Peers are sent to where the request comes from: that is to be where the socket is.
        ...(isIPv4(host) && { family: 4 }),
        ...(!isUnspecified(host) && { localAddress: host }),
      }),
      events: {
        ...events,
        listed: (peers) => {
          for (const peer of believable(peers, tracker ?? "")) meet(peer);
        },
        refused: () => this.#refusedBy(url),
      },
    });
    this.#clients.set(url, client);
    return client;
  }

  #refusedBy(url: string): void {
    this.#refused.add(url);
    if (this.#options.tiers.flat().every((one) => this.#refused.has(one))) this.#options.refused?.();
  }

  #plan(delay: number): void {
    this.#timer = setTimeout(() => {
      const wanted = this.#options.wants();
      if (wanted) this.#trackers.refresh();
      this.#plan(wanted ? Math.min(2 * delay, FIND_MAX_MS) : FIND_MS);
    }, delay);
  }
}

/**
 * Where one may go of what a tracker says: at most one address of each peer, of a PPSPP peer with a port; private ones only if the
 * tracker itself is in a private network, those of this machine only if it is on it. So nobody outside can send us to hosts inside
 * our network, and what is left goes to as few addresses as the host contacts at a time.
 *
 * @param tracker - IP address that the answer came from
 */
export function believable(peers: readonly PeerInfo[], tracker: string): UdpAddress[] {
  if (isIP(tracker.split("%")[0] ?? "") === 0) return [];
  const from = octetsOf(tracker);
  return peers.slice(0, PEER_NUM).flatMap(({ addresses }) => {
    const usable = addresses.find(
      ({ ip, port, peerProtocol = PEER_PROTOCOL }) =>
        port !== 0 && peerProtocol === PEER_PROTOCOL && isIP(ip) !== 0 && mayTell(octetsOf(ip), from),
    );
    return usable === undefined ? [] : [{ host: usable.ip, port: usable.port }];
  });
}

/**
 * Of two addresses that a tracker answered from the one that may tell less: a name that leads to this machine now and elsewhere then
 * counts as elsewhere.
 */
export function lessTrusted(before: string | undefined, address: string): string {
  return before === undefined || trustOf(address) < trustOf(before) ? address : before;
}

/** How many kinds of address are believed from here. */
function trustOf(address: string): number {
  if (isIP(address.split("%")[0] ?? "") === 0) return -1;
  const from = octetsOf(address);
  return [Uint8Array.of(10, 0, 0, 1), Uint8Array.of(127, 0, 0, 1)].filter((one) => mayTell(one, from)).length;
}

/** What a peer tells of its address: the tracker takes the port, for each kind of address, and sees the rest itself. */
export function statedAddresses({ host, port }: UdpAddress): PeerAddress[] {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = own.filter(({ internal }) => !internal).map(({ address }) => address);
  const candidates = isUnspecified(host) ? [...outside, "127.0.0.1", "::1"] : [host];
  const stated = (["ipv4", "ipv6"] as const).flatMap((addrType): PeerAddress[] => {
    const fits = addrType === "ipv4" ? isIPv4 : isIPv6;
    const ip = candidates.find((address) => fits(address) && !address.includes("%"));
    // A socket of IPv4 takes nothing else; "::" takes both.
    if (ip === undefined || (addrType === "ipv6" && isIPv4(host))) return [];
    return [{ addrType, ip, port, priority: 1, type: "HOST", peerProtocol: PEER_PROTOCOL }];
  });
  return stated;
}

const isUnspecified = (host: string): boolean => host === "0.0.0.0" || host === "::";
