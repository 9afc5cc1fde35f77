import { addressType } from "./address.ts";

/** Where a peer is, as far as the tracker knows: from the edge, from configuration, or from an ALTO network map. */
export interface Place {
  /** Number of the autonomous system, such as "64496". */
  readonly asn?: string;
  /** ISO 3166-1 code of two letters. */
  readonly country?: string;
  /** Provider-defined identifier of an ALTO network map (RFC 7285 §5.1). */
  readonly pid?: string;
}

/** What an edge says about the origin of a request (`request.cf` on Cloudflare), as far as it says anything. */
export function edgePlace(metadata: unknown): Place {
  if (typeof metadata !== "object" || metadata === null) return {};
  const { asn, country } = metadata as { asn?: unknown; country?: unknown };
  return {
    ...(typeof asn === "number" && { asn: String(asn) }),
    ...(typeof country === "string" && /^[A-Z]{2}$/u.test(country) && { country }),
  };
}

/** What networks are where and what traffic between them costs, as the operator writes it down. */
export interface TopologyDocument {
  /** Places of networks by CIDR prefix, for hosts that get none from an edge. */
  readonly networks?: Readonly<Record<string, Place>>;
  /** The member of that name of an ALTO network map: PID to address kind to prefixes (RFC 7285 §11.2.1). */
  readonly "network-map"?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** The member of that name of an ALTO cost map with numerical costs: PID to PID to cost (RFC 7285 §11.2.3). */
  readonly "cost-map"?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Prefixes of a topology: they are kept in memory by every process or object that ranks. */
const MAX_PREFIXES = 20_000;

/** Tells where an IP address is, and what traffic between two places costs. */
export class Topology {
  /** Places by prefix, for each address kind and prefix length; shortest first, so that longer ones have the last word. */
  readonly #tables: readonly { kind: string; length: number; places: ReadonlyMap<bigint, Place> }[];
  readonly #costs: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly #highest: number;

  /** @throws RangeError when the document is not of this form; it names what is wrong. */
  constructor(document: TopologyDocument = {}) {
    const listed = Object.entries(document.networks ?? {});
    for (const [pid, kinds] of Object.entries(document["network-map"] ?? {})) {
      for (const prefix of Object.values(kinds).flat()) listed.push([prefix, { pid }]);
    }
    if (listed.length > MAX_PREFIXES) throw new RangeError(`more than ${MAX_PREFIXES} prefixes`);
    this.#tables = tablesOf(listed);
    this.#costs = document["cost-map"] ?? {};
    this.#highest = Math.max(0, ...Object.values(this.#costs).flatMap((row) => Object.values(row)));
    if (!Number.isFinite(this.#highest)) throw new RangeError("cost-map: a cost is not a number");
  }

  /** What is known about this address; what the edge says of it comes before configuration. */
  placeOf(ip: string, edge: Place = {}): Place {
    if (this.#tables.length === 0) return edge;
    const bits = addressBits(ip);
    let place: Place = {};
    if (bits !== undefined) {
      for (const { kind, length, places } of this.#tables) {
        if (kind === bits.kind) place = { ...place, ...places.get(bits.value >> BigInt(bits.size - length)) };
      }
    }
    return { ...place, ...edge };
  }

  /** Cost from one place to another by the cost map, 0 (cheapest) to 1; undefined where the map is silent. */
  cost(from: Place, to: Place): number | undefined {
    if (from.pid === undefined || to.pid === undefined) return undefined;
    const cost = this.#costs[from.pid]?.[to.pid];
    return cost === undefined ? undefined : this.#highest > 0 ? Math.max(0, cost) / this.#highest : 0;
  }
}

function tablesOf(listed: readonly (readonly [prefix: string, place: Place])[]) {
  const tables = new Map<string, { kind: string; length: number; places: Map<bigint, Place> }>();
  for (const [prefix, place] of listed) {
    const [ip = "", digits = ""] = prefix.split("/");
    const bits = addressBits(ip);
    const length = /^\d{1,3}$/u.test(digits) ? Number(digits) : Infinity;
    if (bits === undefined || length > bits.size) throw new RangeError(`not a prefix: ${prefix}`);
    const key = `${bits.kind}/${length}`;
    const table = tables.get(key) ?? { kind: bits.kind, length, places: new Map<bigint, Place>() };
    const value = bits.value >> BigInt(bits.size - length);
    table.places.set(value, { ...table.places.get(value), ...place });
    tables.set(key, table);
  }
  return [...tables.values()].sort((a, b) => a.length - b.length);
}

/** An IP address as a number; an IPv4 address inside IPv6 (RFC 4291 §2.5.5.2) as what it is. Undefined for anything else. */
export function addressBits(ip: string): { kind: "ipv4" | "ipv6"; size: number; value: bigint } | undefined {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/iu.exec(ip)?.[1] ?? ip;
  const kind = addressType(plain);
  if (kind === "ipv4") return { kind, size: 32, value: joinGroups(plain.split("."), 10, 8) };
  if (kind === undefined) return undefined;
  // The dotted end of an IPv6 address is two of its groups.
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/u.exec(plain);
  const pair = (high = "0", low = "0"): string => (Number(high) * 256 + Number(low)).toString(16);
  const text = dotted
    ? plain.slice(0, dotted.index) + `${pair(dotted[1], dotted[2])}:${pair(dotted[3], dotted[4])}`
    : plain;
  const [head = "", tail] = text.split("::");
  const left = head.split(":").filter((group) => group !== "");
  const right = (tail ?? "").split(":").filter((group) => group !== "");
  const gap = 8 - left.length - right.length;
  if (gap < 0 || (tail === undefined && gap > 0)) return undefined;
  return { kind, size: 128, value: joinGroups([...left, ...Array<string>(gap).fill("0"), ...right], 16, 16) };
}

const joinGroups = (groups: readonly string[], radix: number, width: number): bigint =>
  groups.reduce((value, group) => (value << BigInt(width)) | BigInt(Number.parseInt(group, radix)), 0n);
