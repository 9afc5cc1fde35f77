import { mayTell } from "../core/connection/peer-address.ts";
import { MAX_FURTHER } from "./limits.ts";
import type { PeerAddress } from "./messages.ts";
import { addressBits } from "./place.ts";

/** A check whether a peer is at an address that it states. */
export interface AddressCheck {
  readonly swarmId: string;
  /** IP address that the peer's request came from. */
  readonly source: string;
  readonly address: PeerAddress;
}

/**
 * Starts a check; `answered` is called, perhaps much later, if the peer turns out to be there. Only where the runtime can
 * send datagrams, and only as far as its bounds allow: no call means that nothing is known.
 */
export type CheckAddress = (check: AddressCheck, answered: () => void) => void;

/** Where a member of a swarm is. */
interface Located {
  /** IP address at registration. */
  readonly source: string;
  readonly address: PeerAddress;
  readonly further?: readonly PeerAddress[];
  readonly checked?: readonly PeerAddress[];
  readonly relayOnly?: true;
}

/** Whether two addresses are the same place. */
const samePlace = (a: PeerAddress, b: PeerAddress): boolean => a.ip === b.ip && a.port === b.port;

/**
 * The addresses that a peer states beside `own`, the one that its requests come from: each once, few, and none that only
 * means something in another network than the peer's. Nobody has shown yet that they are its own.
 */
export function furtherAddresses(stated: readonly PeerAddress[], own: PeerAddress): readonly PeerAddress[] {
  const further: PeerAddress[] = [];
  for (const address of stated) {
    if (address.port === 0 || !mayShow(address.ip, own.ip)) continue;
    if ([own, ...further].some((other) => samePlace(other, address))) continue;
    // Behind the one that the tracker has seen.
    further.push({ type: "HOST", ...address, priority: further.length + 2 });
    if (further.length === MAX_FURTHER) break;
  }
  return further;
}

/** Has the further addresses of a member checked; those that answered before stay, if it still states them. */
export function checkFurther<M extends Located>(
  swarmId: string,
  further: readonly PeerAddress[],
  find: () => M | undefined,
  keep: (member: M) => void,
  check: CheckAddress | undefined,
): void {
  const member = find();
  if (check === undefined || member === undefined) return;
  if (further.length === 0 && member.further === undefined) return;
  const before = member.checked ?? [];
  const checked = further.filter((address) => before.some((other) => samePlace(address, other)));
  keep({ ...member, further, checked });
  if (member.relayOnly) return;
  for (const address of further) {
    if (checked.includes(address)) continue;
    check({ swarmId, source: member.source, address }, () => {
      // Unless it has gone meanwhile, or stated other ones.
      const now = find();
      if (now?.further?.includes(address)) keep({ ...now, checked: [...(now.checked ?? []), address] });
    });
  }
}

/** Where a member is, as a peer at `source` is told. */
export const addressesFor = (
  { address, checked = [] }: Pick<Located, "address" | "checked">,
  source: string,
): readonly PeerAddress[] =>
  checked.length === 0 ? [address] : [address, ...checked.filter(({ ip }) => mayShow(ip, source))];

/** Whether an address may be shown to a peer at `other`, as in PEX (RFC 7574 §8.13): private ones among private peers only. */
function mayShow(ip: string, other: string): boolean {
  const [address, to] = [octets(ip), octets(other)];
  return address !== undefined && to !== undefined && mayTell(address, to);
}

function octets(ip: string): Uint8Array | undefined {
  const bits = addressBits(ip);
  if (bits === undefined) return undefined;
  const digits = bits.value.toString(16).padStart(bits.size / 4, "0");
  return Uint8Array.from(digits.match(/../gu) ?? [], (pair) => Number.parseInt(pair, 16));
}
