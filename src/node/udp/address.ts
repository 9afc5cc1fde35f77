import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { CommandError } from "../publish/command-error.ts";

/** An IP address and a port. */
export interface UdpAddress {
  /** IPv4 or IPv6 address; a name as the user gave it until `resolveAddress`. */
  readonly host: string;
  readonly port: number;
}

/** "127.0.0.1:4000", "[::1]:4000": how an address is shown, and the ID of its link. */
export const formatAddress = ({ host, port }: UdpAddress): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** Reads HOST:PORT, where an IPv6 address stands in brackets. @throws CommandError naming `option` */
export function parseAddress(text: string, option: string): UdpAddress {
  const { v6, name, port } = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:[\]\s]+)):(?<port>\d{1,5})$/u.exec(text)?.groups ?? {};
  const host = v6 ?? name;
  const valid = host !== undefined && (v6 === undefined || isIPv6(v6)) && Number(port) <= 0xffff;
  if (!valid) throw new CommandError(`${option} ${text}: wants HOST:PORT, an IPv6 address in brackets`);
  return { host, port: Number(port) };
}

/** The address with an IP address in place of a name. @throws CommandError if the name is not known */
export async function resolveAddress({ host, port }: UdpAddress): Promise<UdpAddress> {
  if (isIP(host) !== 0) return { host, port };
  try {
    return { host: (await lookup(host)).address, port };
  } catch {
    throw new CommandError(`${host}: no such host`);
  }
}
