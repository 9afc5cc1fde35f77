import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { normalised } from "../../core/connection/peer-address.ts";
import type { Link } from "../../engine/ports.ts";
import { CommandError } from "../publish/command-error.ts";
import { formatAddress, type UdpAddress } from "./address.ts";
import { octetsOf } from "./octets.ts";

/** Largest payload of a UDP datagram over IPv4, bytes. */
const MAX_DATAGRAM = 65_507;
/** Remote addresses that have a link at a time; strangers beyond it are not heard. */
export const MAX_ADDRESSES = 1_024;
/** … and of them so many of one host, or of one IPv6 network, whose hosts have addresses without end. */
export const MAX_ADDRESSES_PER_HOST = 32;
/** What the system keeps for us while we are busy, bytes, as far as it allows: windows of several peers. */
const BUFFER_BYTES = 4 * 2 ** 20;
/** What may wait in the process for the system to take it, bytes; beyond it datagrams are lost. */
const MAX_QUEUED = 2 ** 20;

/** One UDP socket with a Link for each remote address. */
export class UdpSocket {
  /** Where it is bound. */
  readonly address: UdpAddress;
  /** Called with the first datagram of an address that has no link; who does not keep the link closes it. */
  onStranger: ((link: Link, datagram: Uint8Array) => void) | undefined;
  /** UDP payload that was sent and received, bytes. */
  readonly traffic = { sent: 0, received: 0 };
  readonly #socket: Socket;
  readonly #links = new Map<string, Link>();
  /** How many of the links lead to each host. */
  readonly #perHost = new Map<string, number>();
  readonly #v6: boolean;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { address, port, family } = socket.address();
    this.address = { host: address, port };
    this.#v6 = family === "IPv6";
    socket.on("message", (datagram, remote) => this.#received(datagram, remote.address, remote.port));
    // An address that cannot be reached loses datagrams, as any path may.
    socket.on("error", () => undefined);
  }

  /** Binds to an IP address; port 0 takes a free one; "::" is IPv4 too. @throws CommandError if that cannot be had */
  static async bind({ host, port }: UdpAddress): Promise<UdpSocket> {
    const v6 = isIPv6(host);
    const socket = createSocket({
      type: v6 ? "udp6" : "udp4",
      // All addresses are numbers of this family here: this saves a turn of the event loop for each datagram.
      lookup: (address, _options, callback) => callback(null, address, v6 ? 6 : 4),
    });
    try {
      // Listened for first, since with such a look-up it may come at once.
      const listening = once(socket, "listening");
      socket.bind(port, host);
      await listening;
    } catch (error) {
      socket.close();
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code === "EADDRINUSE" ? "is in use" : `cannot be bound: ${message}`;
      throw new CommandError(`${formatAddress({ host, port })} ${reason}`);
    }
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
    return new UdpSocket(socket);
  }

  /** The link to an address. @throws CommandError for an IPv6 address if the socket is bound to an IPv4 one */
  link({ host, port }: UdpAddress): Link {
    if (isIPv6(host) && !this.#v6) throw new CommandError(`${host} cannot be reached from ${this.address.host}`);
    const address = this.#v6 && isIPv4(host) ? `::ffff:${host}` : host;
    const id = formatAddress({ host: address, port });
    return this.#links.get(id) ?? this.#add(id, address, port);
  }

  /** Whether an address has a link. */
  has({ host, port }: UdpAddress): boolean {
    return this.#links.has(formatAddress({ host: this.#v6 && isIPv4(host) ? `::ffff:${host}` : host, port }));
  }

  /** Whether another peer can be at an address that somebody told: it is not our own, and of a kind that we can reach. */
  reaches({ host, port }: UdpAddress): boolean {
    if (port === 0 || (isIPv6(host) && !this.#v6)) return false;
    if (port !== this.address.port) return true;
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return host !== this.address.host && own.every(({ address }) => address !== host);
  }

  /** Ends all links and frees the port. */
  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #add(id: string, address: string, port: number): Link {
    const host = hostKey(address);
    const link: Link = {
      id,
      maxDatagram: MAX_DATAGRAM,
      reliable: false,
      address: { address: octetsOf(address), port },
      send: (head, payload) => this.#send(head, payload, address, port),
      close: () => {
        if (this.#links.get(id) !== link) return;
        this.#links.delete(id);
        this.#count(host, -1);
        link.onClose?.();
      },
      onDatagram: undefined,
      onClose: undefined,
    };
    this.#links.set(id, link);
    this.#count(host, 1);
    return link;
  }

  #count(host: string, change: number): void {
    const count = (this.#perHost.get(host) ?? 0) + change;
    if (count === 0) this.#perHost.delete(host);
    else this.#perHost.set(host, count);
  }

  #send(head: Uint8Array, payload: Uint8Array | undefined, address: string, port: number): void {
    // A datagram may bear port 0 as its sender's; the system refuses to answer there.
    if (port === 0 || this.#socket.getSendQueueSize() > MAX_QUEUED) return;
    this.traffic.sent += head.length + (payload?.length ?? 0);
    this.#socket.send(payload === undefined ? head : [head, payload], port, address);
  }

  #received(datagram: Uint8Array, host: string, port: number): void {
    this.traffic.received += datagram.length;
    const id = formatAddress({ host, port });
    const link = this.#links.get(id);
    if (link !== undefined) link.onDatagram?.(datagram);
    else if (this.onStranger && this.#hasRoom(host)) this.onStranger(this.#add(id, host, port), datagram);
  }

  #hasRoom(host: string): boolean {
    if (this.#links.size >= MAX_ADDRESSES) return false;
    return (this.#perHost.get(hostKey(host)) ?? 0) < MAX_ADDRESSES_PER_HOST;
  }
}

/** What all addresses of one host have in common: an IPv4 address, also behind "::ffff:", or the first half of an IPv6 one. */
export function hostKey(host: string): string {
  const { address } = normalised({ address: octetsOf(host), port: 0 });
  return (address.length === 4 ? address : address.subarray(0, 8)).join();
}
