import type { PeerAddress } from "./messages.ts";

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/u;
const IPV6 = /^(?=.*:.*:)[0-9a-fA-F:]{2,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?$/u;

/** Kind of an IP address in text form; undefined if it is none. */
export function addressType(ip: string): PeerAddress["addrType"] | undefined {
  if (IPV4.test(ip)) return "ipv4";
  return IPV6.test(ip) ? "ipv6" : undefined;
}

/** An IP address as it stands in a list, of one as systems and proxies write it: with zone, brackets and port, IPv4 inside IPv6. */
export const bareAddress = (text: string): string =>
  text
    .replace(/^\[([^\]]*)\].*$/u, "$1")
    .replace(/%.*$/u, "")
    .replace(/^([\d.]+):\d+$/u, "$1")
    .replace(/^::ffff:(?=\d+\.)/iu, "");

/**
 * The public address of a peer: the IP address that its request came from, with the port and protocol that it states
 * for addresses of that kind, else port 0; 0.0.0.0 where a proxy has named none. Nothing else that a peer says about its addresses is passed on, or it could
 * point a swarm at someone else's host.
 */
export function reflexiveAddress(source: string, stated: readonly PeerAddress[]): PeerAddress {
  const addrType = addressType(source);
  // No client takes a list in which something else stands for an address.
  const ip = addrType === undefined ? "0.0.0.0" : source;
  const own = { addrType: addrType ?? "ipv4", ip, port: 0, priority: 1, type: "REFLEXIVE" } as const;
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
