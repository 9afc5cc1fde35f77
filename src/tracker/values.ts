import { addressType } from "./address.ts";
import { malformed } from "./errors.ts";
import { MAX_ICE_TEXT, MAX_ID, MAX_RANGES, MAX_SWARM_ID } from "./limits.ts";
import type { ContentMap, PeerAddress } from "./messages.ts";

/** Values of a message, checked alike in every encoding. */

const VISIBLE = /^[\x21-\x7e]+$/u;

/** Characters from which on V8 makes a part of a text a view of the whole. */
const VIEW = 13;

/** The same text, which does not keep alive what it is a part of: a name of 20 characters would hold its body of 64 KiB. */
export const detached = (text: string): string => (text.length < VIEW ? text : ` ${text}`.slice(1));

/** `value` if it is one of `allowed`, compared with case. @throws TrackerError "malformed". */
export function oneOf<const T extends string>(value: unknown, allowed: readonly T[], what: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw malformed(`Bad ${what}`);
  return found;
}

/** An identifier: visible ASCII characters, bounded. @throws TrackerError "malformed". */
export function identifier(value: unknown, what: string, limit: number = MAX_ID): string {
  if (typeof value !== "string" || value.length > limit || !VISIBLE.test(value)) throw malformed(`Bad ${what}`);
  return detached(value);
}

/** A SwarmID. @throws TrackerError "malformed". */
export const swarmIdentifier = (value: unknown): string => identifier(value, "SwarmID", MAX_SWARM_ID);

/** A grant, whatever its length: what a tracker does not check need not be good. @throws TrackerError "malformed". */
export const grantText = (value: unknown): string => identifier(value, "grant", Infinity);

/** URL, user name or credential of an ICE server. @throws TrackerError "malformed". */
export const iceText = (value: unknown): string => identifier(value, "IceServer", MAX_ICE_TEXT);

/** A non-negative integer of at most `limit`. @throws TrackerError "malformed". */
export function integerValue(value: unknown, what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > limit)
    throw malformed(`Bad ${what}`);
  return value;
}

/** An IP address that is of this family. @throws TrackerError "malformed". */
export function address(family: unknown, ip: unknown): Pick<PeerAddress, "addrType" | "ip"> {
  const addrType = oneOf(family, ["ipv4", "ipv6"], "addrType");
  if (typeof ip !== "string" || addressType(ip) !== addrType) throw malformed("Bad ip");
  return { addrType, ip: detached(ip) };
}

/** What an address says in words of its own, as far as it is kept: of JSON's control characters XML has none, and no list could be read. */
export const addressText = (text: string): string =>
  detached(
    text
      .replace(/[^\x20-\x7e]/gu, "")
      .trim()
      .slice(0, 64),
  );

/** Chunk ranges of a content map: bounded in number, ascending, disjoint. @throws TrackerError "malformed". */
export function contentMap(swarmId: string, ranges: readonly (readonly [number, number])[]): ContentMap {
  if (ranges.length > MAX_RANGES) throw malformed("Too many ranges");
  let end = -1;
  for (const [first, last] of ranges) {
    if (first <= end || last < first) throw malformed("Bad ranges");
    end = last;
  }
  return { swarmId, ranges };
}

/** Properties without those that are undefined, which exact optional types do not take. */
export function defined<T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: { [K in keyof T]?: T[K] } = {};
  for (const name in properties) if (properties[name] !== undefined) kept[name] = properties[name];
  return kept as { [K in keyof T]?: Exclude<T[K], undefined> };
}
