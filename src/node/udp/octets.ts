import { isIPv4, isIPv6 } from "node:net";

/** The octets of an IP address: 4 or 16. @throws RangeError if it is none */
export function octetsOf(host: string): Uint8Array {
  // The zone of a link-local address ("%eth0") means something on this machine only.
  const [address = ""] = host.split("%");
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address)) throw new RangeError(`${host} is no IP address`);
  const [before = [], after = []] = address.split("::").map(groupsOf);
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Uint8Array.from([...before, ...gap, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}

/** An IP address as the system writes it, from its octets. */
export function hostOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const groups: string[] = [];
  for (let i = 0; i < octets.length; i += 2) groups.push(((octets[i]! << 8) | octets[i + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** The 16-bit groups of one side of "::"; a dotted IPv4 address at the end is two. */
function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = octetsOf(group);
    return [(a << 8) | b, (c << 8) | d];
  });
}
