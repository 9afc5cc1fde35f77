import type { PeerAddress } from "./messages.ts";

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/u;
const IPV6 = /^(?=.*:.*:)[0-9a-fA-F:]{2,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?$/u;

/** Kind of an IP address in text form; undefined if it is none. */
export function addressType(ip: string): PeerAddress["addrType"] | undefined {
  if (IPV4.test(ip)) return "ipv4";
  return IPV6.test(ip) ? "ipv6" : undefined;
}

/**
 * The public address of a peer: the IP address that its request came from, with the port and protocol that it states
 * for addresses of that kind, else port 0. Nothing else that a peer says about its addresses is passed on, or it could
 * point a swarm at someone else's host.
 */
export function reflexiveAddress(source: string, stated: readonly PeerAddress[]): PeerAddress {
  const addrType = addressType(source) ?? "ipv4";
  const own = { addrType, ip: source, port: 0, priority: 1, type: "REFLEXIVE" } as const;
  const like = stated.find((address) => address.addrType === addrType);
  if (like === undefined) return own;
  const { port, connection, asn, peerProtocol } = like;
  return {
    ...own,
    port,
    ...(connection !== undefined && { connection }),
    ...(asn !== undefined && { asn }),
    ...(peerProtocol !== undefined && { peerProtocol }),
  };
}
