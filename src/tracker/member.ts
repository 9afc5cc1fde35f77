import type { PeerAddress, PeerMode, PeerProperties, StreamStatistics } from "./messages.ts";
import type { Wish } from "./objects.ts";
import type { Place } from "./place.ts";

/** What a swarm keeps of one member; plain data, so that it can be stored. */
export interface Member {
  readonly peerId: string;
  readonly peerMode: PeerMode;
  /** Absent: a peer of the base protocol, whose Peer object keeps its machine and timer. */
  readonly token?: string;
  /** IP address at registration. */
  readonly source: string;
  readonly address: PeerAddress;
  /** What it states beside that one, and where it answered a check. */
  readonly further?: readonly PeerAddress[];
  readonly checked?: readonly PeerAddress[];
  /** TransactionID of the CONNECT that registered it, which makes a repeated one recognisable (§4.3). */
  readonly transactionId?: string;
  /** Where that address is. */
  readonly place?: Place;
  /** It registered as one that is met at a relay only: its address is nobody's business. */
  readonly relayOnly?: true;
  /** It has authenticated as a super-node. */
  readonly superNode?: true;
  /** What it last wanted of a peer list. */
  readonly wish: Wish;
  /** Join time, milliseconds since 1970. */
  readonly since: number;
  /** Last request, milliseconds since 1970. */
  readonly seen: number;
  readonly stat?: StreamStatistics;
  readonly properties?: PeerProperties;
}

/** What a list is made of: a member here, or one that another object of the same swarm has shown. */
export type ListedMember = Pick<
  Member,
  | "peerId"
  | "peerMode"
  | "address"
  | "checked"
  | "since"
  | "seen"
  | "stat"
  | "properties"
  | "place"
  | "relayOnly"
  | "superNode"
>;

/**
 * The member with what it has reported at `seen`; what it left out is as before. Of its content maps, which are all of
 * this swarm, one is kept: more are never read, and would be what a member can fill the swarm's memory with.
 */
export function reported(
  member: Member,
  stat: StreamStatistics | undefined,
  properties: PeerProperties | undefined,
  seen: number,
): Member {
  const changed: { -readonly [Name in keyof Member]: Member[Name] } = { ...member, seen };
  if (stat !== undefined) changed.stat = stat;
  if (properties !== undefined) {
    const { contentMap } = properties;
    const one = contentMap !== undefined && contentMap.length > 1 && { contentMap: contentMap.slice(0, 1) };
    changed.properties = { ...member.properties, ...properties, ...one };
  }
  return changed;
}

/** Whether `token` is the member's; in constant time, so that it cannot be guessed digit by digit. */
export function holds(member: Member, token: string | undefined): boolean {
  if (member.token === undefined || token === undefined || token.length !== member.token.length) return false;
  let difference = 0;
  for (let at = 0; at < token.length; at += 1) difference |= token.charCodeAt(at) ^ member.token.charCodeAt(at);
  return difference === 0;
}
