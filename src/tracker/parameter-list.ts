import { ICE_TTL } from "./ice.ts";
import {
  CLOCK_TOLERANCE,
  DEFAULT_PEERS,
  DEFAULT_TRACK_TIMER,
  INIT_TIMER,
  MAX_BANS,
  MAX_BODY,
  MAX_KNOWN,
  MAX_MAILBOXES,
  MAX_MEMBERS,
  MAX_PEERS,
  MAX_POLL_WAIT,
  MAX_RETRIES,
  MAX_SWARMS,
  MIN_GZIP,
  RETRY_WINDOW,
  SIGNAL_BURST,
  SIGNAL_RATE,
} from "./limits.ts";

/** One setting of a tracker, as text: a Worker's variable, an environment variable under Node. */
export interface Parameter {
  /** What holds when it is not set. */
  readonly default: string;
  /** What its text is: a unit for numbers, else the form. */
  readonly unit: string;
  readonly meaning: string;
  /** Least and greatest value of a number. */
  readonly range?: readonly [least: number, greatest: number];
  /** Never shown again, and kept out of wrangler.jsonc: `wrangler secret put`. */
  readonly secret?: true;
  /** Has an effect only there. */
  readonly runtime?: "Node" | "Workers";
}

const MAX_SECONDS = 86_400;

/** Every setting of a tracker: the one place where its default, unit and meaning stand. */
export const PARAMETERS = {
  OPEN: { default: "false", unit: "true or false", meaning: "Serve any swarm that a peer names." },
  SWARMS: {
    default: "",
    unit: "SwarmIDs in lower-case hex, separated by blanks",
    meaning: "The swarms that are served when OPEN is false.",
  },
  PUBLISHERS: {
    default: "",
    unit: "public keys in lower-case hex, separated by blanks",
    meaning:
      "Publishers (ppsp publish --new-key) whose swarms are served: those with their grant, and their live swarms.",
  },
  TRACK_TIMER: {
    default: String(DEFAULT_TRACK_TIMER),
    unit: "s",
    meaning: "Silence after which a peer is forgotten; peers report three times as often.",
    range: [1, MAX_SECONDS],
  },
  ALLOW_ORIGIN: {
    default: "*",
    unit: "origins separated by blanks, or *",
    meaning: "Pages that may ask from a browser (CORS), such as https://video.example.",
  },
  ICE_SERVERS: {
    default: "",
    unit: 'JSON: [{"urls": ["turn:turn.example:3478"], "secret": "…"}]',
    meaning: "STUN and TURN servers that peers are told of, with credentials made from the secret of each.",
    secret: true,
  },
  ICE_LIFE: {
    default: String(ICE_TTL),
    unit: "s",
    meaning: "Life of the credentials for TURN servers: a film, for they are asked again with each refresh.",
    range: [60, 604_800],
  },
  TOPOLOGY: {
    default: "",
    unit: "JSON (docs/PROTOCOL.md, peer lists)",
    meaning: "Where networks are and what traffic between them costs, for peer lists of neighbours.",
  },
  SHARD_MEMBERS: {
    default: "16384",
    unit: "members",
    meaning: "Members of a swarm from which on it becomes several objects (docs/adr/0011-shards.md). 0: never.",
    range: [0, 40_000],
    runtime: "Workers",
  },
  SHARDS: {
    default: "16",
    unit: "objects",
    meaning: "Objects that such a swarm becomes, with room for 50,000 members each.",
    range: [2, 64],
    runtime: "Workers",
  },
  REQUEST_RATE: {
    default: "200",
    unit: "requests/s",
    meaning: "Requests that one address (IPv6: one /64) may send in the long run; more get 503. 0: no limit.",
    range: [0, 1_000_000],
  },
  REQUEST_BURST: {
    default: "2000",
    unit: "requests",
    meaning: "Requests that one address may send at once: many viewers behind one NAT come back together.",
    range: [1, 1_000_000],
  },
  SOURCE_TABLE: {
    default: "50000",
    unit: "addresses",
    meaning: "Addresses whose rate is remembered; the one that was silent longest is forgotten first.",
    range: [1, 10_000_000],
  },
  AUTH_JWKS_URL: {
    default: "",
    unit: "https URL",
    meaning: "Keys of the server that issues OAuth 2.0 access tokens (JWT). Set: a token is required.",
  },
  AUTH_SECRET: {
    default: "",
    unit: "32 characters or more",
    meaning: "Shared secret of access tokens with HS256. Set: a token is required.",
    secret: true,
  },
  AUTH_ISSUER: { default: "", unit: "text", meaning: "Required claim iss of access tokens. Empty: any." },
  AUTH_AUDIENCE: { default: "", unit: "text", meaning: "Required claim aud of access tokens. Empty: any." },
  AUTH_CLOCKS: {
    default: String(CLOCK_TOLERANCE),
    unit: "s",
    meaning: "By how much the clocks of who signs tokens and grants may differ from the tracker's.",
    range: [0, 600],
  },
  AUTH_TABLE: {
    default: String(MAX_KNOWN),
    unit: "tokens",
    meaning: "Access tokens, and as many grants, whose check is remembered; the oldest is forgotten first.",
    range: [1, 1_000_000],
  },
  ENROL: {
    default: "false",
    unit: "true or false",
    meaning: "Serve POST /enrol, which gives anybody a Peer-ID and an access token for it. Needs AUTH_SECRET.",
  },
  ENROL_RATE: {
    default: "60",
    unit: "Peer-IDs/h",
    meaning: "New Peer-IDs that one address (IPv6: one /64) gets in the long run, and at once.",
    range: [1, 1_000_000],
  },
  ENROL_LIFE: {
    default: "86400",
    unit: "s",
    meaning: "Life of an access token from POST /enrol.",
    range: [60, 31_536_000],
  },
  MANAGE_TOKEN: {
    default: "",
    unit: "16 characters or more, no blanks",
    meaning: "Bearer token of the management API at /manage. Empty: there is none.",
    secret: true,
  },
  METRICS_TOKEN: {
    default: "",
    unit: "16 characters or more, no blanks",
    meaning: "Bearer token of /metrics with a line for each swarm. Without it /metrics has totals only, for anybody.",
    secret: true,
  },
  METRICS_SWARMS: {
    default: "1000",
    unit: "swarms",
    meaning: "Swarms that /metrics has lines of, where it has any.",
    range: [0, 100_000],
  },
  METRICS_INTERVAL: {
    default: "60",
    unit: "s",
    meaning: "How often a swarm's object and the front tell the registry what they counted.",
    range: [1, 3600],
    runtime: "Workers",
  },
  EVENTS_KEPT: {
    default: "1000",
    unit: "events",
    meaning: "Log events that the management API can still list.",
    range: [0, 100_000],
  },
  ACCOUNT_TOLERANCE: {
    default: "20",
    unit: "%",
    meaning: "By how much a swarm's sums of uploaded and downloaded bytes may differ before that is logged (§6.4).",
    range: [0, 100],
  },
  MEMBER_LIMIT: {
    default: "200000",
    unit: "peers",
    meaning: `Members of one swarm, about 1 KiB of memory each; one more gets 503. On Workers of each of its objects, at most ${MAX_MEMBERS}.`,
    range: [1, 1_000_000],
  },
  PEER_SWARMS: {
    default: String(MAX_SWARMS),
    unit: "swarms",
    meaning: "Swarms that one Peer-ID of the base protocol may be in; one more gets 403.",
    range: [1, MAX_SWARMS],
  },
  LIST_LIMIT: {
    default: String(MAX_PEERS),
    unit: "peers",
    meaning: "Peers in one list, whatever PeerNum asks for.",
    range: [0, MAX_PEERS],
  },
  LIST_DEFAULT: {
    default: String(DEFAULT_PEERS),
    unit: "peers",
    meaning: "Peers in the list of a leecher that sends no PeerNum.",
    range: [0, MAX_PEERS],
  },
  INIT_TIMER: {
    default: String(INIT_TIMER / 1000),
    unit: "s",
    meaning: "Time from registration to TRACKING, after which a CONNECT that failed half-way is cleared (§2.4).",
    range: [1, 300],
  },
  RETRY_WINDOW: {
    default: String(RETRY_WINDOW / 1000),
    unit: "s",
    meaning: "How long an answer that ended a registration is repeated to who repeats the request (§4.3).",
    range: [0, 3600],
  },
  RETRIES_KEPT: {
    default: String(MAX_RETRIES),
    unit: "answers",
    meaning: "Such answers that one swarm, or one Peer-ID of the base protocol, keeps.",
    range: [0, 100_000],
  },
  BANS_KEPT: {
    default: String(MAX_BANS),
    unit: "bans",
    meaning: "Bans that one swarm keeps; the oldest goes first.",
    range: [1, 10_000],
  },
  SIGNAL_RATE: {
    default: String(SIGNAL_RATE),
    unit: "signals/s",
    meaning: "Signals that one member may send in the long run; then its socket is closed.",
    range: [1, 10_000],
  },
  SIGNAL_BURST: {
    default: String(SIGNAL_BURST),
    unit: "signals",
    meaning: "Signals that one member may send at once: offers and candidates for a whole peer list.",
    range: [1, 100_000],
  },
  POLL_WAIT: {
    default: String(MAX_POLL_WAIT),
    unit: "s",
    meaning: "How long a poll for signals is held open: less than what proxies allow a silent request.",
    range: [1, 120],
  },
  MAILBOX_LIMIT: {
    default: String(MAX_MAILBOXES),
    unit: "characters",
    meaning: "Signals that wait for those members of a swarm that poll, all together.",
    range: [131_072, 67_108_864],
  },
  BODY_LIMIT: {
    default: String(MAX_BODY),
    unit: "bytes",
    meaning: "Body of a request, as sent and decompressed; a larger one gets 400.",
    range: [1024, 1_048_576],
  },
  GZIP_FROM: {
    default: String(MIN_GZIP),
    unit: "characters",
    meaning: "Length from which on a response is compressed for peers that take gzip.",
    range: [0, 1_000_000],
  },
  SOURCE_HEADER: {
    default: "",
    unit: "header field name",
    meaning: "Field in which a proxy states the peer's address, such as CF-Connecting-IP. Empty: the connection's own.",
    runtime: "Node",
  },
  REQUEST_TIMEOUT: {
    default: "10",
    unit: "s",
    meaning: "Time for a whole request to arrive, header and body; then 408.",
    range: [1, 300],
  },
  IDLE_TIMEOUT: {
    default: "60",
    unit: "s",
    meaning: "How long a connection without a request stays open.",
    range: [1, 3600],
    runtime: "Node",
  },
  SOCKET_LIMIT: {
    default: "20000",
    unit: "connections",
    meaning: "Connections at a time, signalling sockets included; more are not accepted.",
    range: [1, 1_000_000],
    runtime: "Node",
  },
  SOCKET_QUEUE: {
    default: "1048576",
    unit: "bytes",
    meaning: "What may wait in one signalling socket; a member that reads no more is cut off.",
    range: [65_536, 67_108_864],
    runtime: "Node",
  },
  SWARM_LIMIT: {
    default: "100000",
    unit: "swarms",
    meaning: "Swarms with members at a time; a CONNECT to one more gets 503.",
    range: [1, 10_000_000],
    runtime: "Node",
  },
  PEER_LIMIT: {
    default: "200000",
    unit: "Peer-IDs",
    meaning: "Peers of the base protocol (without Registration) at a time; one more gets 503.",
    range: [1, 10_000_000],
    runtime: "Node",
  },
  ADDRESS_CHECKS: {
    default: "50",
    unit: "checks/s",
    meaning:
      "Addresses beside that of its requests that a peer states are asked over UDP whether it is there. 0: none is listed.",
    range: [0, 10_000],
    runtime: "Node",
  },
  STATE_INTERVAL: {
    default: "5",
    unit: "s",
    meaning: "How often changed state is written to the file of --state.",
    range: [1, 3600],
    runtime: "Node",
  },
} as const satisfies Record<string, Parameter>;

/** Name of a setting. */
export type ParameterName = keyof typeof PARAMETERS;
