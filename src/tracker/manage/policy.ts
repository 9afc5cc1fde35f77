import type { Voucher } from "../auth/grant.ts";
import type { Asker } from "../objects.ts";
import { networkOf } from "../sources.ts";
import type { ContentCharacteristics } from "./summary.ts";

/** A peer that an operator does not let in; plain data, so that it can be stored. */
export interface Ban {
  readonly peerId: string;
  /** Network of the address that is banned too, as `networkOf` has it. */
  readonly source?: string;
  /** Milliseconds since 1970; absent: for good. */
  readonly until?: number;
}

/** What an operator has decided about one swarm, and a publisher said; plain data, so that it can be stored. */
export interface SwarmPolicy {
  /** false: its viewers play over HTTP. */
  readonly p2p: boolean;
  readonly bans: readonly Ban[];
  readonly content?: ContentCharacteristics;
  /** Who vouches for it, as long as it has members. */
  readonly granted?: Voucher;
}

/** A swarm about which nothing has been decided. */
export const NO_POLICY: SwarmPolicy = { p2p: true, bans: [] };

/** Whether a policy says no more than {@link NO_POLICY}. */
export const isDefault = ({ p2p, bans, content }: SwarmPolicy): boolean =>
  p2p && bans.length === 0 && content === undefined;

/** Why this peer may not be in the swarm now; undefined when it may. */
export function objection(
  policy: SwarmPolicy,
  peerId: string,
  { source }: Pick<Asker, "source">,
  now: number,
): string | undefined {
  if (!policy.p2p) return "P2P is switched off for this swarm";
  if (policy.bans.length === 0) return undefined;
  const network = networkOf(source);
  const banned = policy.bans.some(
    (ban) => (ban.peerId === peerId || ban.source === network) && (ban.until === undefined || ban.until > now),
  );
  return banned ? "Not admitted to this swarm" : undefined;
}
