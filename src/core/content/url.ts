import { hashSize } from "../codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../codec/messages.ts";
import { ContentError } from "./error.ts";
import { MAX_CHUNK_SIZE, MAX_CHUNKS, MAX_SERVERS, MIN_CHUNK_SIZE, nameOf, type Presentation } from "./presentation.ts";
import { MAX_URI_LENGTH } from "./uri.ts";

/**
 * What a `ppsp:` URL says: a swarm's metadata record and where its peers are met (draft 10 §12.1.1). Content integrity is
 * always the Merkle hash tree.
 */
export interface SwarmUrl {
  /** Merkle root. */
  readonly id: Uint8Array;
  /** Bytes of a full chunk; "variable" where only ppsp.json says how the chunks lie in the files. */
  readonly chunkSize: number | "variable";
  readonly addressing: ChunkAddressing;
  readonly hash: HashCode;
  /** Absent: found from the peaks (RFC 7574 §5.6), whose level nothing but honest peers vouches for then. */
  readonly chunkCount?: number;
  /** PPSP-TP tracker URLs, best first. */
  readonly trackers: readonly string[];
  /** Peers over UDP: HOST:PORT, an IPv6 address in brackets. */
  readonly peers: readonly string[];
  /** What a player loads over HTTP: URL of the HLS playlist or media file. */
  readonly src?: string;
  /** URL of ppsp.json, where the playlist does not name it. */
  readonly presentation?: string;
}

/** Longer than any URL within the other bounds, characters. */
const MAX_LENGTH = 2 ** 20;
const HTTP_URL = /^https?:\/\/[^\s/]\S*$/i;
const PEER = /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253}):(?<port>[1-9]\d{0,4})$/i;
/** What was not said is so: RFC 7574's defaults, and the chunk size that its §8.1 recommends. */
const DEFAULT_CHUNK_SIZE = 1024;

/** Whether a text is meant as a `ppsp:` URL. */
export const isSwarmUrl = (text: string): boolean => /^ppsp:/i.test(text);

/**
 * Reads a `ppsp:` URL from an untrusted place: `ppsp:SWARM?name=value&…`, or `ppsp://HOST:PORT/SWARM?…` as RFC 7574 §8.13
 * writes it. Parameters that it does not know are ignored, and so is a fragment.
 * @throws ContentError that names the parameter
 */
export function parseSwarmUrl(text: string): SwarmUrl {
  if (text.length > MAX_LENGTH) fail("", `longer than ${MAX_LENGTH} characters`);
  const { authority, swarm, query } =
    /^ppsp:(?:\/\/(?<authority>[^/?#]*)\/)?(?<swarm>[^/?#]*)(?:\?(?<query>[^#]*))?(?:#.*)?$/is.exec(text)?.groups ?? {};
  if (swarm === undefined) fail("", "not of the form ppsp:SWARM?name=value");
  const parameters = readQuery(query ?? "");
  const hash = parameters.code("hash", HashCode) ?? HashCode.sha256;
  const addressing = parameters.code("addressing", ChunkAddressing) ?? ChunkAddressing.chunk32;
  const size = parameters.one("chunk-size");
  const chunkCount = parameters.integer("chunks", 1, MAX_CHUNKS);
  const [src, presentation] = [parameters.one("src"), parameters.one("presentation")];
  if ((parameters.one("integrity") ?? "merkle") !== "merkle") fail("integrity", "not merkle");
  const peers = [...(authority ? [authority] : []), ...parameters.all("peer")];
  return checked({
    id: readId(swarm, hash),
    chunkSize:
      size === "variable"
        ? size
        : (parameters.integer("chunk-size", MIN_CHUNK_SIZE, MAX_CHUNK_SIZE) ?? DEFAULT_CHUNK_SIZE),
    addressing,
    hash,
    ...(chunkCount === undefined ? {} : { chunkCount }),
    trackers: parameters.all("tracker"),
    peers,
    ...(src === undefined ? {} : { src }),
    ...(presentation === undefined ? {} : { presentation }),
  });
}

/** The `ppsp:` URL, with as little in it as the defaults allow. @throws ContentError for values that no URL may have */
export function formatSwarmUrl(url: SwarmUrl): string {
  const { id, chunkSize, addressing, hash, chunkCount, trackers, peers, src, presentation } = checked(url);
  const parameters: (readonly [string, string | number | undefined])[] = [
    ["chunk-size", chunkSize === DEFAULT_CHUNK_SIZE ? undefined : chunkSize],
    ["hash", hash === HashCode.sha256 ? undefined : nameOf(HashCode, hash)],
    ["addressing", addressing === ChunkAddressing.chunk32 ? undefined : nameOf(ChunkAddressing, addressing)],
    ["chunks", chunkCount],
    ["src", src],
    ["presentation", presentation],
    ...trackers.map((tracker) => ["tracker", tracker] as const),
    ...peers.map((peer) => ["peer", peer] as const),
  ];
  const query = parameters.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encode(String(value))}`],
  );
  return `ppsp:${hex(id)}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

/** Why a presentation is not what a `ppsp:` URL promised, in words; undefined if it is. */
export function presentationMismatch({ id, hash, chunkCount }: SwarmUrl, { swarm }: Presentation): string | undefined {
  if (hex(id) !== hex(swarm.id)) return `its swarm is ${hex(swarm.id)}, not ${hex(id)}`;
  if (hash !== swarm.hash) return `its hash is ${nameOf(HashCode, swarm.hash)}, not ${nameOf(HashCode, hash)}`;
  if (chunkCount !== undefined && chunkCount !== swarm.chunkCount)
    return `it has ${swarm.chunkCount} chunks, not ${chunkCount}`;
  return undefined;
}

/** The parameters of a query. */
interface Parameters {
  /** All values of a parameter that may be repeated. */
  all(name: string): readonly string[];
  /** The value of one that may not. */
  one(name: string): string | undefined;
  integer(name: string, min: number, max: number): number | undefined;
  code<Code>(name: string, codes: Readonly<Record<string, Code>>): Code | undefined;
}

function readQuery(query: string): Parameters {
  const values = new Map<string, string[]>();
  for (const part of query === "" ? [] : query.split("&")) {
    const [name = "", ...rest] = part.split("=");
    const value = decode(name, rest.join("="));
    const others = values.get(name);
    if (others === undefined) values.set(name, [value]);
    else others.push(value);
  }
  const all = (name: string): readonly string[] => values.get(name) ?? [];
  const one = (name: string): string | undefined => {
    const [value, ...others] = all(name);
    return others.length === 0 ? value : fail(name, "stands twice");
  };
  return {
    all,
    one,
    integer(name, min, max) {
      const text = one(name);
      if (text === undefined) return undefined;
      const valid = /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max;
      return valid ? Number(text) : fail(name, `not an integer from ${min} to ${max}`);
    },
    code(name, codes) {
      const text = one(name);
      if (text === undefined) return undefined;
      const known = Object.entries(codes).find(([key]) => key === text);
      return known === undefined ? fail(name, `not one of ${Object.keys(codes).join(", ")}`) : known[1];
    },
  };
}

function readId(text: string, hash: HashCode): Uint8Array {
  const size = hashSize(hash);
  if (text.length !== 2 * size || !/^[0-9a-f]*$/i.test(text)) {
    fail("", `a swarm ID of ${nameOf(HashCode, hash)} has ${2 * size} hexadecimal digits`);
  }
  return Uint8Array.from({ length: size }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

function checked(url: SwarmUrl): SwarmUrl {
  const { id, hash, trackers, peers, src, presentation } = url;
  if (id.length !== hashSize(hash)) fail("", `a swarm ID of ${id.length} bytes instead of ${hashSize(hash)}`);
  if (trackers.length > MAX_SERVERS) fail("tracker", `${trackers.length} of them, more than ${MAX_SERVERS}`);
  if (peers.length > MAX_SERVERS) fail("peer", `${peers.length} of them, more than ${MAX_SERVERS}`);
  for (const tracker of trackers) checkUrl("tracker", tracker);
  if (src !== undefined) checkUrl("src", src);
  if (presentation !== undefined) checkUrl("presentation", presentation);
  for (const peer of peers) {
    const port = Number(PEER.exec(peer)?.groups?.["port"] ?? Infinity);
    if (port > 0xffff) fail("peer", "not HOST:PORT, an IPv6 address in brackets");
  }
  return url;
}

function checkUrl(name: string, url: string): void {
  // eslint-disable-next-line no-control-regex -- these are what must be refused
  if (url.length > MAX_URI_LENGTH || !HTTP_URL.test(url) || /[\u0000-\u001f\u007f\ud800-\udfff]/u.test(url))
    fail(name, "not an http or https URL");
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** In a query, colons and slashes may stand as they are (RFC 3986 §3.4). */
const encode = (value: string): string => encodeURIComponent(value).replace(/%3A/g, ":").replace(/%2F/g, "/");

function decode(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return fail(name, "not percent-encoded UTF-8");
  }
}

function fail(name: string, problem: string): never {
  throw new ContentError("bad-url", name === "" ? "ppsp: URL" : `ppsp: URL's ${name}`, problem);
}
