import { hashSize } from "../codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../codec/messages.ts";
import { ContentError } from "./error.ts";
import { Field } from "./fields.ts";
import { isRelativeUri, MAX_URI_LENGTH } from "./uri.ts";

/** DATA-ID of the EXT-X-SESSION-DATA tag by which an HLS master playlist names its ppsp.json (RFC 8216 §4.3.4.4). */
export const SESSION_DATA_ID = "org.ppsp.presentation";

/** Smallest nominal chunk size, bytes: below it hashes and headers outweigh the content. */
export const MIN_CHUNK_SIZE = 512;
/** Largest nominal chunk size, bytes: one chunk and its proof must fit one message of any WebRTC data channel. */
export const MAX_CHUNK_SIZE = 65_536;
/** Most chunks of a presentation: 1 TiB at 16 KiB, and a table of the tree's pages that still fits a tab (4 MiB). */
export const MAX_CHUNKS = 2 ** 26;
/** Most files of a presentation: a day of two-second segments in six renditions. */
export const MAX_FILES = 262_144;
/** Most renditions of a presentation: far more than a player lets anyone choose from. */
export const MAX_RENDITIONS = 1_024;
/** Most characters of a grant: header, swarm ID and signature take 300 to 500. */
export const MAX_GRANT = 1_024;
/** Most trackers in a tier, tiers, ICE servers, and URLs of an ICE server: more are never tried. */
export const MAX_SERVERS = 16;

/** One file of a presentation: a segment, an init section, a subtitle, or a whole MP4/WebM. */
export interface PresentationFile {
  /** Relative to ppsp.json, no query. Several entries share a URI where segments are byte ranges of one file. */
  readonly uri: string;
  /** Where the bytes begin in the resource at `uri`, bytes. Absent: the entry is the whole resource. */
  readonly offset?: number;
  /** Bytes. */
  readonly length: number;
  /** Seconds of media; absent for init sections and single files. */
  readonly duration?: number;
  /** Index into `renditions`; absent for single files. */
  readonly rendition?: number;
}

/** What a rendition is, for people and for planning. */
export interface Rendition {
  readonly type: "video" | "audio" | "subtitles";
  /** Media playlist, relative to ppsp.json. */
  readonly uri: string;
  /** BANDWIDTH of EXT-X-STREAM-INF, bit/s. */
  readonly bandwidth?: number;
  readonly name?: string;
}

/**
 * The content of ppsp.json: swarm metadata record (RFC 7574 §8.4), files, trackers and policy. Described by
 * docs/ppsp.schema.json and docs/PROTOCOL.md.
 */
export interface Presentation {
  readonly version: 1;
  readonly swarm: {
    /** Merkle root, also the PPSP-TP SwarmID. */
    readonly id: Uint8Array;
    /** Nominal chunk size, bytes; every file starts a new chunk, so a file's last chunk may be shorter. */
    readonly chunkSize: number;
    readonly addressing: ChunkAddressing;
    readonly hash: HashCode;
    readonly chunkCount: number;
  };
  /** Where the hash tree is, relative to ppsp.json. */
  readonly hashes: string;
  readonly files: readonly PresentationFile[];
  readonly renditions: readonly Rendition[];
  /** Tiers of PPSP-TP tracker URLs, best first. */
  readonly trackers: readonly (readonly string[])[];
  readonly iceServers: readonly {
    readonly urls: string | readonly string[];
    readonly username?: string;
    readonly credential?: string;
  }[];
  readonly policy: { readonly p2p: boolean };
  /** The publisher's signed word for the swarm, which trackers that list its key ask for; opaque here. */
  readonly grant?: string;
}

/** How many chunks a file of `length` bytes takes. */
export const chunksIn = (length: number, chunkSize: number): number => Math.ceil(length / chunkSize);

/** Index in `files` of a rendition's first segment; -1: it has none. */
export const firstSegment = (files: readonly PresentationFile[], rendition: number): number =>
  files.findIndex((file) => file.rendition === rendition && file.duration !== undefined);

/**
 * Reads a parsed ppsp.json from an untrusted place: every field and bound is checked, unknown fields are ignored.
 * @throws ContentError that names the field
 */
export function parsePresentation(json: unknown): Presentation {
  const document = new Field(json);
  const version = document.get("version");
  if (version.value !== 1) {
    throw new ContentError("unsupported-version", version.path, `${JSON.stringify(version.value)} instead of 1`);
  }
  const swarm = readSwarm(document.get("swarm"));
  const renditions = document.get("renditions").optional((field) => field.list(MAX_RENDITIONS, readRendition)) ?? [];
  const files = document.get("files").list(MAX_FILES, (field) => readFile(field, renditions.length));
  const grant = document.get("grant").optional(readGrant);
  const chunks = files.reduce((sum, file) => sum + chunksIn(file.length, swarm.chunkSize), 0);
  if (chunks !== swarm.chunkCount) {
    throw new ContentError(
      "wrong-chunk-count",
      "swarm.chunkCount",
      `${swarm.chunkCount}, but the files have ${chunks} chunks`,
    );
  }
  return {
    version: 1,
    swarm,
    hashes: readUri(document.get("hashes")),
    files,
    renditions,
    trackers: document.get("trackers").optional((tiers) => tiers.list(MAX_SERVERS, readTier)) ?? [],
    iceServers: document.get("iceServers").optional((servers) => servers.list(MAX_SERVERS, readIceServer)) ?? [],
    policy: document.get("policy").optional(readPolicy) ?? { p2p: true },
    ...(grant === undefined ? {} : { grant }),
  };
}

/** The text of ppsp.json, one file or rendition to a line. */
export function serialisePresentation(presentation: Presentation): string {
  const { swarm } = presentation;
  const lines = (values: readonly unknown[]): string =>
    values.length === 0 ? "[]" : `[\n${values.map((value) => `    ${JSON.stringify(value)}`).join(",\n")}\n  ]`;
  const members: Readonly<Record<string, string>> = {
    version: JSON.stringify(presentation.version),
    swarm: JSON.stringify({
      id: Array.from(swarm.id, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      chunkSize: swarm.chunkSize,
      addressing: nameOf(ChunkAddressing, swarm.addressing),
      hash: nameOf(HashCode, swarm.hash),
      chunkCount: swarm.chunkCount,
    }),
    hashes: JSON.stringify(presentation.hashes),
    trackers: JSON.stringify(presentation.trackers),
    iceServers: JSON.stringify(presentation.iceServers),
    policy: JSON.stringify(presentation.policy),
    ...(presentation.grant === undefined ? {} : { grant: JSON.stringify(presentation.grant) }),
    renditions: lines(presentation.renditions),
    files: lines(presentation.files),
  };
  const text = Object.entries(members).map(([name, value]) => `  ${JSON.stringify(name)}: ${value}`);
  return `{\n${text.join(",\n")}\n}\n`;
}

const namesOf = <T extends Readonly<Record<string, number>>>(codes: T): (keyof T & string)[] => Object.keys(codes);

/** The name of a code; of one that has none, the number. */
export const nameOf = (codes: Readonly<Record<string, number>>, code: number): string =>
  namesOf(codes).find((name) => codes[name] === code) ?? String(code);

function readSwarm(field: Field): Presentation["swarm"] {
  const hash = HashCode[field.get("hash").oneOf(namesOf(HashCode))];
  return {
    id: field.get("id").hex(hashSize(hash)),
    chunkSize: field.get("chunkSize").integer(MIN_CHUNK_SIZE, MAX_CHUNK_SIZE),
    addressing: ChunkAddressing[field.get("addressing").oneOf(namesOf(ChunkAddressing))],
    hash,
    chunkCount: field.get("chunkCount").integer(1, MAX_CHUNKS),
  };
}

function readFile(field: Field, renditions: number): PresentationFile {
  const offset = field.get("offset").optional((it) => it.integer(0, Number.MAX_SAFE_INTEGER));
  const duration = field.get("duration").optional((it) => it.number(0, Number.MAX_SAFE_INTEGER));
  const rendition = field.get("rendition").optional((it) => it.integer(0, renditions - 1));
  return {
    uri: readUri(field.get("uri")),
    ...(offset === undefined ? {} : { offset }),
    length: field.get("length").integer(1, Number.MAX_SAFE_INTEGER - (offset ?? 0)),
    ...(duration === undefined ? {} : { duration }),
    ...(rendition === undefined ? {} : { rendition }),
  };
}

function readRendition(field: Field): Rendition {
  const bandwidth = field.get("bandwidth").optional((it) => it.integer(0, Number.MAX_SAFE_INTEGER));
  const name = field.get("name").optional((it) => it.string(MAX_URI_LENGTH));
  return {
    type: field.get("type").oneOf(["video", "audio", "subtitles"]),
    uri: readUri(field.get("uri")),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(name === undefined ? {} : { name }),
  };
}

function readUri(field: Field): string {
  const uri = field.string(MAX_URI_LENGTH);
  return isRelativeUri(uri) ? uri : field.fail("not a path inside the folder of ppsp.json, without a query");
}

const readTier = (tier: Field): string[] => tier.list(MAX_SERVERS, (url) => readUrl(url, /^https?:\/\/[^\s/]/i));

function readIceServer(field: Field): Presentation["iceServers"][number] {
  const urls = field.get("urls");
  const readOne = (url: Field): string => readUrl(url, /^(stun|turn)s?:[^\s/]/);
  const username = field.get("username").optional((it) => it.string(MAX_URI_LENGTH));
  const credential = field.get("credential").optional((it) => it.string(MAX_URI_LENGTH));
  return {
    urls: Array.isArray(urls.value) ? urls.list(MAX_SERVERS, readOne) : readOne(urls),
    ...(username === undefined ? {} : { username }),
    ...(credential === undefined ? {} : { credential }),
  };
}

function readUrl(field: Field, pattern: RegExp): string {
  const url = field.string(MAX_URI_LENGTH);
  return pattern.test(url) && !/\s/.test(url) ? url : field.fail(`not a URL of the form ${pattern.source}`);
}

function readGrant(field: Field): string {
  const grant = field.string(MAX_GRANT);
  return /^[\w.-]+$/.test(grant) ? grant : field.fail("not a compact JWS");
}

const readPolicy = (field: Field): Presentation["policy"] => ({
  p2p: field.get("p2p").optional((it) => it.boolean()) ?? true,
});
