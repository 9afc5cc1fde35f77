/** Transport address of a peer, as PEX tells it (RFC 7574 §8.13). */
export interface PeerAddress {
  /** 4 octets (IPv4) or 16 (IPv6). */
  readonly address: Uint8Array;
  /** UDP port. */
  readonly port: number;
}

/** From where an address can be reached; `unusable`: unspecified, multicast, broadcast, reserved. */
type AddressScope = "global" | "private" | "loopback" | "unusable";

/** The address with an IPv4-mapped one (::ffff:a.b.c.d) as IPv4, so that one peer has one address. */
export function normalised({ address, port }: PeerAddress): PeerAddress {
  const mapped = address.length === 16 && begins(address, MAPPED);
  return { address: mapped ? address.subarray(12) : address, port };
}

/** From where an address can be reached (RFC 1918, 3927, 4193, 4291, 6598). */
function scopeOf(address: Uint8Array): AddressScope {
  if (address.length === 4) return scopeOfV4(address);
  if (address.length !== 16) return "unusable";
  // What lies behind a translator is judged by its IPv4 address, or one could name a private host through it.
  if (begins(address, MAPPED) || begins(address, NAT64)) return scopeOfV4(address.subarray(12));
  if (begins(address, SIX_TO_FOUR)) return scopeOfV4(address.subarray(2, 6));
  if (begins(address, ZEROS)) return address.subarray(12).join() === "0,0,0,1" ? "loopback" : "unusable";
  const [first = 0, second = 0] = address;
  if (first === 0xff) return "unusable";
  // fc00::/7, fe80::/10 and the old site-local fec0::/10.
  return (first & 0xfe) === 0xfc || (first === 0xfe && second >= 0x80) ? "private" : "global";
}

/**
 * Whether an address may be told to, or believed from, the peer at `other`: private and link-local ones only among
 * private peers (RFC 7574 §8.13), and those of this machine only on it.
 */
export function mayTell(address: Uint8Array, other: Uint8Array): boolean {
  switch (scopeOf(address)) {
    case "global":
      return true;
    case "private":
      return scopeOf(other) === "private" || scopeOf(other) === "loopback";
    case "loopback":
      return scopeOf(other) === "loopback";
    case "unusable":
      return false;
  }
}

/** A key by which two equal addresses are found equal, IPv4-mapped ones too. */
export function addressKey(peer: PeerAddress): string {
  const { address, port } = normalised(peer);
  return `${address.join(".")}:${port}`;
}

const ZEROS = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const MAPPED = [...ZEROS.slice(2), 0xff, 0xff];
const NAT64 = [0, 0x64, 0xff, 0x9b, ...ZEROS.slice(4)];
const SIX_TO_FOUR = [0x20, 0x02];

const begins = (address: Uint8Array, prefix: readonly number[]): boolean =>
  prefix.every((octet, i) => address[i] === octet);

function scopeOfV4([a = 0, b = 0]: Uint8Array): AddressScope {
  if (a === 0 || a >= 224) return "unusable";
  if (a === 127) return "loopback";
  const shared = a === 100 && b >= 64 && b < 128;
  const local = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254);
  return shared || local ? "private" : "global";
}
